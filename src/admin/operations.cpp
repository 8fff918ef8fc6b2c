#include "admin/operations.hpp"

#include "admin/doctor.hpp"
#include "admin/opam_operations.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "catalog/keep.hpp"
#include "oci/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace slipway::admin {
namespace {

using access::Action;

constexpr std::size_t page_default = 1000;
constexpr std::size_t page_max = 10'000;

std::string optional(const Parameters& parameters, const std::string& name) {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

/// The name of a tag, which may be new.
Result<std::string> required_tag(const Parameters& parameters, const std::string& name) {
  TRY_ASSIGN(auto tag, required(parameters, name));
  if (!oci::is_tag(tag))
    return fail(Failure::invalid, "'" + tag.substr(0, 200) +
                                      "' cannot be the name of a channel: letters, digits, '_', "
                                      "'.' and '-', at most 128");
  return tag;
}

Result<Json> list_repositories(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto limit, page_of(parameters));
  TRY_ASSIGN(const auto names, instance.catalog.repositories(optional(parameters, "last"), limit));
  return Json{{"repositories", names}, {"more", names.size() == limit}};
}

Result<Json> show_repository(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto record, instance.catalog.repository(name));
  return Json{{"name", record.name},
              {"kind", record.kind},
              {"created_at", rfc3339(record.created_at)},
              {"tags", record.tags},
              {"manifests", record.manifests},
              {"blobs", record.blobs},
              {"blob_bytes", record.blob_bytes}};
}

Result<Json> remove_repository(Instance& instance, const Parameters& parameters, const std::string& who) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto unwanted, instance.catalog.remove_repository(name, who));
  catalog::remove_all_queued(instance.catalog, instance.store, unwanted);
  return Json{{"removed", name}};
}

Result<Json> list_tags(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto limit, page_of(parameters));
  TRY_ASSIGN(const auto records, instance.catalog.tag_records(name, optional(parameters, "last"), limit));
  Json tags = Json::array();
  for (const auto& tag : records)
    tags.push_back({{"tag", tag.name},
                    {"digest", tag.digest.text()},
                    {"media_type", tag.media_type},
                    {"manifest_bytes", tag.manifest_bytes},
                    {"updated_at", rfc3339(tag.updated_at)}});
  return Json{{"repository", name}, {"tags", tags}, {"more", records.size() == limit}};
}

Result<Json> remove_tag(Instance& instance, const Parameters& parameters, const std::string& who) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto tag, required(parameters, "tag"));
  TRY(instance.catalog.remove_tag(name, tag, who));
  return Json{{"removed", name + ":" + tag}};
}

Result<Json> tag_history(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto limit, page_of(parameters));
  TRY_ASSIGN(const auto moves, instance.catalog.tag_history(name, optional(parameters, "tag"), limit));
  Json out = Json::array();
  for (const auto& move : moves)
    out.push_back({{"tag", move.tag},
                   {"at", rfc3339(move.at)},
                   {"who", move.who},
                   {"event", name_of(move.event)},
                   {"from", move.from ? Json(*move.from) : Json()},
                   {"digest", move.digest ? Json(*move.digest) : Json()}});
  return Json{{"repository", name}, {"history", out}};
}

Json told(const std::string& repository, const std::string& channel, const catalog::TagMoved& moved) {
  return Json{{"repository", repository},
              {"channel", channel},
              {"from", moved.from ? Json(moved.from->text()) : Json()},
              {"digest", moved.to.text()},
              {"moved", moved.is_new()}};
}

Result<Json> promote(Instance& instance, const Parameters& parameters, const std::string& who) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto from, required(parameters, "from"));
  TRY_ASSIGN(const auto to, required_tag(parameters, "to"));
  TRY_ASSIGN(const auto moved, instance.catalog.promote_tag(name, from, to, who));
  return told(name, to, moved);
}

Result<Json> roll_back(Instance& instance, const Parameters& parameters, const std::string& who) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto channel, required_tag(parameters, "channel"));
  std::optional<Digest> to;
  if (const auto text = optional(parameters, "digest"); !text.empty()) {
    TRY_ASSIGN(to, Digest::parse(text));
  }
  TRY_ASSIGN(const auto moved, instance.catalog.roll_back_tag(name, channel, to, who));
  return told(name, channel, moved);
}

Result<Json> show_manifest(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto name, required(parameters, "repository"));
  TRY_ASSIGN(const auto reference, required(parameters, "reference"));
  const auto digest = Digest::parse(reference);
  TRY_ASSIGN(const auto manifest,
             digest ? instance.catalog.find_manifest(name, *digest) : instance.catalog.find_tag(name, reference));
  return Json{{"repository", name},
              {"digest", manifest.digest.text()},
              {"media_type", manifest.media_type},
              {"size", manifest.bytes->size()},
              {"content", *manifest.bytes}};
}

Result<Json> server_status(Instance& instance, const Parameters&, const std::string&) {
  TRY_ASSIGN(const auto totals, instance.catalog.totals());
  return Json{{"version", version()},
              {"data", instance.data.string()},
              {"listen", instance.urls},
              {"started_at", instance.urls.empty() ? Json() : Json(rfc3339(instance.started_at))},
              {"read_only", instance.catalog.is_read_only()},
              {"log_level", log::name_of(log::level())},
              {"repositories", totals.repositories},
              {"tags", totals.tags},
              {"manifests", totals.manifests},
              {"blobs", totals.blobs},
              {"blob_bytes", totals.blob_bytes},
              {"uploads", totals.uploads}};
}

Result<Json> set_server(Instance& instance, const Parameters& parameters, const std::string& who) {
  const auto read_only = optional(parameters, "read_only");
  const auto level_text = optional(parameters, "log_level");
  const auto level = log::level_named(level_text);
  if (!read_only.empty() && read_only != "true" && read_only != "false")
    return fail(Failure::invalid, "read_only is true or false, not '" + read_only + "'");
  if (!level_text.empty() && !level)
    return fail(Failure::invalid, "log_level is debug, info, warn, error or off, not '" + level_text + "'");
  if (!read_only.empty()) instance.catalog.set_read_only(read_only == "true");
  if (level) log::set_level(*level);
  log::info("settings changed",
            {{"who", who}, {"read_only", instance.catalog.is_read_only()}, {"log_level", log::name_of(log::level())}});
  return Json{{"read_only", instance.catalog.is_read_only()}, {"log_level", log::name_of(log::level())}};
}

constexpr std::array<Operation, 12> all = {{
    {"repo/ls", false, Action::admin, "", "", "last? n?", "Repositories, in byte order", list_repositories},
    {"repo/show", false, Action::pull, "repository", "", "repository", "One repository and what it holds",
     show_repository},
    {"repo/rm", true, Action::admin, "repository", "", "repository",
     "Removes a repository with its tags, manifests and memberships", remove_repository},
    {"tag/ls", false, Action::pull, "repository", "", "repository last? n?", "Tags, where they point and since when",
     list_tags},
    {"tag/rm", true, Action::remove, "repository", "tag", "repository tag", "Removes one tag", remove_tag},
    {"tag/history", false, Action::pull, "repository", "", "repository tag? n?", "Every move of a tag, newest first",
     tag_history},
    {"promote", true, Action::push, "repository", "to", "repository from to",
     "Points a channel at what another one points at", promote},
    {"rollback", true, Action::push, "repository", "channel", "repository channel digest?",
     "Points a channel at what it pointed at before", roll_back},
    {"manifest/show", false, Action::pull, "repository", "", "repository reference", "A manifest as it was pushed",
     show_manifest},
    {"doctor", true, Action::admin, "", "", "deep? remove_unknown?", "Checks the data directory, catalog and store",
     run_doctor},
    {"server/status", false, Action::admin, "", "", "", "Version, settings that change at run time, and totals",
     server_status},
    {"server/set", true, Action::admin, "", "", "read_only? log_level?", "Changes read-only mode or the log level now",
     set_server},
}};

}  // namespace

std::span<const Operation> operations() {
  static const auto out = [] {
    std::vector<Operation> both(all.begin(), all.end());
    const auto more = opam_operations();
    both.insert(both.end(), more.begin(), more.end());
    return both;
  }();
  return out;
}

const Operation* operation_named(std::string_view name) {
  const auto every = operations();
  const auto found = std::ranges::find(every, name, &Operation::name);
  return found == every.end() ? nullptr : &*found;
}

Result<std::size_t> page_of(const Parameters& parameters) {
  const auto text = optional(parameters, "n");
  if (text.empty()) return page_default;
  std::size_t n = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (bad != std::errc() || end != text.data() + text.size() || n == 0)
    return fail(Failure::invalid, "n is not a positive number: '" + text + "'");
  return std::min(n, page_max);
}

Result<std::string> required(const Parameters& parameters, const std::string& name) {
  auto value = optional(parameters, name);
  if (value.empty()) return fail(Failure::invalid, "parameter '" + name + "' is missing");
  return value;
}

}  // namespace slipway::admin
