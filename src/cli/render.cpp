#include "cli/render.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

namespace slipway::cli {
namespace {

using Cells = std::vector<std::string>;

void print_table(const Cells& titles, const std::vector<Cells>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& title : titles) widths.push_back(title.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  const auto print_row = [&](const Cells& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.resize(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  };
  print_row(titles);
  for (const auto& row : rows) print_row(row);
}

/// "2026-11-22 08:15:30": to the second, as much as people read.
std::string short_time(const Json& time) {
  auto text = time.is_string() ? time.get<std::string>().substr(0, 19) : std::string("-");
  std::ranges::replace(text, 'T', ' ');
  return text;
}

std::string size_text(const Json& bytes) { return human_size(bytes.get<std::uint64_t>()); }

void render_tags(const Json& answer) {
  std::vector<Cells> rows;
  for (const auto& tag : answer["tags"])
    rows.push_back({tag["tag"], tag["digest"], short_time(tag["updated_at"]), tag["media_type"]});
  print_table({"TAG", "DIGEST", "UPDATED (UTC)", "MEDIA TYPE"}, rows);
}

void render_history(const Json& answer) {
  std::vector<Cells> rows;
  for (const auto& move : answer["history"])
    rows.push_back({short_time(move["at"]), move["tag"], move["event"], move["who"],
                    move["digest"].is_null() ? "(deleted)" : move["digest"].get<std::string>()});
  if (rows.empty()) {
    fmt::print("(no moves are known)\n");
    return;
  }
  print_table({"WHEN (UTC)", "TAG", "EVENT", "WHO", "POINTED AT"}, rows);
}

void render_move(const Json& answer) {
  const auto channel = answer["repository"].get<std::string>() + "@" + answer["channel"].get<std::string>();
  const auto digest = answer["digest"].get<std::string>();
  if (!answer["moved"].get<bool>())
    fmt::print("{} is at {} already\n", channel, digest);
  else
    fmt::print("{} is at {}, before at {}\n", channel, digest,
               answer["from"].is_null() ? "nothing" : answer["from"].get<std::string>());
}

void render_doctor(const Json& answer) {
  for (const auto& check : answer["checks"])
    fmt::print("{:<5} {}: {}\n", check["state"].get<std::string>(), check["name"].get<std::string>(),
               check["message"].get<std::string>());
  const auto& lost = answer["unreachable"];
  fmt::print("      unreachable: {} blobs ({}), {} manifests ({})\n", lost["blobs"].get<std::uint64_t>(),
             size_text(lost["blob_bytes"]), lost["manifests"].get<std::uint64_t>(), size_text(lost["manifest_bytes"]));
}

void render_opam_list(const Json& answer) {
  std::vector<Cells> rows;
  for (const auto& each : answer["opam"])
    rows.push_back({each["repository"].get<std::string>() + "@" + each["channel"].get<std::string>(),
                    each["commit"].is_null() ? "-" : each["commit"].get<std::string>().substr(0, 12),
                    short_time(each["published_at"]), each["sources_missing"].dump(),
                    each["problem"].is_null() ? each["git"].get<std::string>() : each["problem"].get<std::string>()});
  if (rows.empty())
    fmt::print("(none; slipway opam add makes one)\n");
  else
    print_table({"REPOSITORY", "LIVE COMMIT", "PUBLISHED (UTC)", "MISSING SOURCES", "OF"}, rows);
}

void render_findings(const Json& answer) {
  const auto& findings = answer["findings"];
  for (const auto& each : findings)
    fmt::print("{:<13} {}: {}\n", each["kind"].get<std::string>(), each["about"].get<std::string>(),
               each["text"].get<std::string>());
}

void render_opam_check(const Json& answer) {
  render_findings(answer);
  fmt::print("{} findings\n", answer["findings"].size());
}

void render_opam_sync(const Json& answer) {
  fmt::print("{}@{} is at commit {}{}\n", answer["repository"].get<std::string>(), answer["channel"].get<std::string>(),
             answer["commit"].get<std::string>(),
             answer["moved"].get<bool>()
                 ? fmt::format(": {} files changed; fetched in {} ms, read in {} ms, published in {} ms",
                               answer["changes"].dump(), answer["fetching_ms"].dump(), answer["reading_ms"].dump(),
                               answer["publishing_ms"].dump())
                 : std::string(" already"));
  if (answer.contains("findings")) render_findings(answer);
}

void render_source(const Json& source) {
  const auto& urls = source["urls"];
  const auto& checksums = source["checksums"];
  fmt::print("{:<8} {}\n", source["kept"].get<bool>() ? size_text(source["size"]) : "missing",
             urls.empty() ? "(no address)" : urls[0].get<std::string>());
  for (const auto& checksum : checksums) fmt::print("         {}\n", checksum.get<std::string>());
  if (source.contains("problem")) fmt::print("         {}\n", source["problem"].get<std::string>());
}

void render_opam_sources(const Json& answer) {
  for (const auto& source : answer["sources"]) render_source(source);
  fmt::print("{} sources are named by packages; {} are kept, {}\n", answer["wanted"].dump(), answer["kept"].dump(),
             size_text(answer["kept_bytes"]));
  if (answer["more"].get<bool>()) fmt::print("(more: use --last '{}')\n", answer["last"].get<std::string>());
}

void render_opam_package(const Json& answer) {
  for (const auto& version : answer["versions"]) {
    fmt::print("{}  {}{}\n", version["package"].get<std::string>(), version["synopsis"].get<std::string>(),
               version["available"].get<bool>() ? "" : "  (not available)");
    for (const auto& source : version["sources"]) render_source(source);
  }
  render_findings(answer);
}

void render_fields(const Json& answer) {
  for (const auto& [name, value] : answer.items()) {
    const auto text = value.is_string() ? value.get<std::string>() : value.dump();
    fmt::print("{:<15} {}\n", name, name.ends_with("_bytes") ? text + " (" + size_text(value) + ")" : text);
  }
}

}  // namespace

void render(const std::string& operation, const Json& answer) {
  if (operation == "repo/ls")
    for (const auto& name : answer["repositories"]) fmt::print("{}\n", name.get<std::string>());
  else if (operation == "tag/ls")
    render_tags(answer);
  else if (operation == "tag/history")
    render_history(answer);
  else if (operation == "promote" || operation == "rollback")
    render_move(answer);
  else if (operation == "manifest/show")
    fmt::print("{}\n", answer["content"].get<std::string>());
  else if (operation == "opam/ls")
    render_opam_list(answer);
  else if (operation == "opam/check")
    render_opam_check(answer);
  else if (operation == "opam/sync")
    render_opam_sync(answer);
  else if (operation == "opam/sources")
    return render_opam_sources(answer);
  else if (operation == "opam/explain")
    render_opam_package(answer);
  else if (operation == "doctor")
    render_doctor(answer);
  else
    render_fields(answer);
  if (answer.value("more", false)) fmt::print("(more: use --last with the last name shown)\n");
}

}  // namespace slipway::cli
