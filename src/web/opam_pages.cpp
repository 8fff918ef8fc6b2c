#include "web/opam_pages.hpp"

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "http/target.hpp"
#include "web/assets.hpp"
#include "web/package_facts.hpp"
#include "web/template.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace slipway::web {
namespace {

constexpr std::size_t page_size = 100;
constexpr std::size_t news = 10;
constexpr std::size_t feed_entries = 50;
constexpr std::size_t listed_max = 100;      // of a status page
constexpr std::size_t dependants_max = 500;  // of a package's page; its JSON has all
constexpr std::size_t words_max = 200;       // bytes
constexpr std::size_t snapshots_max = 2;
constexpr auto facts_age = std::chrono::seconds(60);
/// What a page tells besides its snapshot (which sources are kept) may be as old as this.
constexpr auto page_age = std::chrono::seconds(10);

/// Nothing but what comes from here, and nothing that runs.
constexpr const char* policy =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What pages take besides themselves.
constexpr std::array<std::pair<const char*, const char*>, 2> assets = {
    {{"page.css", "text/css; charset=utf-8"}, {"icon.svg", "image/svg+xml"}}};

std::string day_of(Timestamp at) { return rfc3339(at).substr(0, 10); }

std::string path_of(const opam::PackageName& name) {
  return "packages/" + http::percent_encode(name.name) + "/" + http::percent_encode(name.text()) + "/";
}

/// The newest first, of the packages that the snapshot has.
std::vector<std::pair<const opam::PackageEntry*, Timestamp>>
newest(const PackageIndex& index, const std::map<std::string, Timestamp>& dates, std::size_t limit) {
  std::vector<std::pair<const opam::PackageEntry*, Timestamp>> out;
  for (const auto& [name, package] : index.all())
    for (const auto* version : package.versions)
      if (const auto date = dates.find(version->name.text()); date != dates.end())
        out.emplace_back(version, date->second);
  const auto end = out.begin() + static_cast<std::ptrdiff_t>(std::min(limit, out.size()));
  std::ranges::partial_sort(out, end, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first->name < b.first->name;
  });
  out.erase(end, out.end());
  return out;
}

Json news_of(const PackageIndex& index, const std::map<std::string, Timestamp>& dates, std::size_t limit) {
  Json out = Json::array();
  for (const auto& [entry, at] : newest(index, dates, limit))
    out.push_back({{"name", entry->name.name},
                   {"version", entry->name.version},
                   {"path", path_of(entry->name)},
                   {"synopsis", entry->package.synopsis},
                   {"published_at", rfc3339(at)},
                   {"day", day_of(at)}});
  return out;
}

std::size_t page_number(const http::Query& query) {
  for (const auto& [name, value] : query)
    if (name == "page") {
      std::size_t out = 0;
      std::from_chars(value.data(), value.data() + value.size(), out);
      return std::max<std::size_t>(out, 1);
    }
  return 1;
}

std::string words_in(const http::Query& query) {
  for (const auto& [name, value] : query)
    if (name == "q") return value.substr(0, words_max);
  return {};
}

Json at_most(const std::vector<std::string>& names, std::size_t limit) {
  Json out = Json::array();
  for (const auto& name : names)
    if (out.size() < limit) out.push_back({{"name", name}, {"path", "packages/" + http::percent_encode(name) + "/"}});
  return out;
}

/// For templates, which know no emptiness: sections that are left out where a list or text is empty.
void mark_filled(Json& content) {
  std::vector<std::string> names;
  for (const auto& [name, value] : content.items())
    if ((value.is_array() && !value.empty()) || (value.is_string() && value != "")) names.push_back(name);
  for (const auto& name : names) content["has_" + name] = true;
}

}  // namespace

// ---- which page

std::optional<OpamPages::Wish> OpamPages::wish_of(std::string_view path) {
  Wish out;
  if (path == "/feed.xml") {
    out.kind = Wish::Kind::feed;
    return out;
  }
  constexpr std::string_view json = "index.json";
  if (path.ends_with(json)) {
    out.is_json = true;
    path.remove_suffix(json.size());
  }
  std::vector<std::string_view> parts;
  for (std::size_t at = 1; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    out.to_home += "../";
    at = end + 1;
  }
  if (!path.ends_with('/')) return std::nullopt;
  if (parts.empty()) return out;
  if (parts.size() == 1 && parts[0] == "status") {
    out.kind = Wish::Kind::status;
    return out;
  }
  if (parts[0] != "packages" || parts.size() > 3) return std::nullopt;
  out.kind = parts.size() == 1 ? Wish::Kind::packages : Wish::Kind::package;
  if (parts.size() > 1) out.name = parts[1];
  if (parts.size() == 3) {
    if (!parts[2].starts_with(out.name + ".")) return std::nullopt;
    out.version = parts[2].substr(out.name.size() + 1);
  }
  return out;
}

Result<std::optional<publish::Representation>> OpamPages::find(publish::Trees& trees, const publish::OpenTree& tree,
                                                               const publish::ViewRequest& request) {
  TRY_ASSIGN(auto found, m_repositories.view().find(trees, tree, request));
  if (found) return found;
  for (const auto& [name, media_type] : assets)
    if (request.path == asset_path(name)) {
      publish::Representation out{.media_type = media_type, .is_lasting = true, .open = {}};
      out.text = std::make_shared<const std::string>(asset(name));
      out.size = out.text->size();
      out.validators.etag = "\"" + digest_of(as_bytes(*out.text)).text() + "\"";
      return out;
    }
  const auto slashed = std::string(request.path) + "/";
  if (const auto wish = wish_of(slashed);
      wish && !request.path.ends_with('/') && !request.path.ends_with(".json") && request.path != "/feed.xml") {
    publish::Representation out{.open = {}};
    out.elsewhere = slashed;
    return out;
  }
  const auto wish = wish_of(request.path);
  if (!wish) return std::nullopt;
  TRY_ASSIGN(auto page, represent(trees, tree, *wish, request));
  return page;
}

Result<publish::Representation> OpamPages::represent(publish::Trees& trees, const publish::OpenTree& tree,
                                                     const Wish& wish, const publish::ViewRequest& request) {
  const auto number = page_number(request.query);
  const auto key = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", tree.repository, tree.digest.text(), request.path,
                               words_in(request.query), number, request.site);
  const auto now = std::chrono::steady_clock::now();
  std::optional<Page> page;
  {
    const std::lock_guard lock(m_mutex);
    if (const auto* known = m_pages.find(key); known && now - known->made_at < page_age) page = *known;
  }
  if (!page) {
    TRY_ASSIGN(auto text, render(trees, tree, wish, request));
    page = Page{.text = std::make_shared<const std::string>(std::move(text)), .etag = {}, .made_at = now};
    page->etag = "\"" + digest_of(as_bytes(*page->text)).text() + "\"";
    const std::lock_guard lock(m_mutex);
    if (wish.kind != Wish::Kind::status) m_pages.put(key, *page, page->text->size() + key.size());
  }
  const bool is_feed = wish.kind == Wish::Kind::feed;
  publish::Representation out{.media_type = wish.is_json ? "application/json"
                                            : is_feed    ? "application/atom+xml; charset=utf-8"
                                                         : "text/html; charset=utf-8",
                              .validators = {.etag = page->etag},
                              .size = page->text->size(),
                              .open = {}};
  out.text = page->text;
  if (!wish.is_json && !is_feed) out.fields.emplace_back("Content-Security-Policy", policy);
  return out;
}

// ---- what is on it

Result<OpamPages::Facts> OpamPages::facts_of(publish::Trees& trees, const publish::OpenTree& tree) {
  Facts out{.key = tree.repository + "\n" + tree.digest.text()};
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(m_mutex);
    if (const auto known = std::ranges::find(m_facts, out.key, &Facts::key); known != m_facts.end()) {
      if (now - known->read_at < facts_age) return *known;
      out.index = known->index;
    }
  }
  if (!out.index) {
    const auto reader = m_repositories.packages(tree.repository);
    if (!reader) return fail(Failure::not_found, "no opam repository is kept as " + tree.repository);
    TRY_ASSIGN(auto list, reader->read(trees, tree.repository, tree.snapshot));
    out.index = std::make_shared<const PackageIndex>(std::move(list));
  }
  TRY_ASSIGN(auto dates, m_catalog.first_published(tree.repository));
  out.dates = std::make_shared<const Dates>(std::move(dates));
  TRY_ASSIGN(auto downloads, m_catalog.tallies(tree.repository));
  out.downloads = std::make_shared<const std::map<std::string, std::uint64_t>>(std::move(downloads));
  out.read_at = now;
  const std::lock_guard lock(m_mutex);
  std::erase_if(m_facts, [&](const Facts& each) { return each.key == out.key; });
  m_facts.push_front(out);
  if (m_facts.size() > snapshots_max) m_facts.pop_back();
  return out;
}

Result<std::string> OpamPages::render(publish::Trees& trees, const publish::OpenTree& tree, const Wish& wish,
                                      const publish::ViewRequest& request) {
  using Kind = Wish::Kind;
  const auto finish = [&](const char* name, const std::string& title, Json content) {
    if (wish.is_json) return content.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
    content["home"] = wish.to_home.empty() ? "./" : wish.to_home;
    mark_filled(content);
    return page(name, title, content["home"].get<std::string>(), content);
  };
  if (wish.kind == Kind::status) {
    TRY_ASSIGN(auto content, status(tree));
    return finish("opam_status.html", "Status of " + tree.repository, std::move(content));
  }
  TRY_ASSIGN(const auto facts, facts_of(trees, tree));
  switch (wish.kind) {
  case Kind::packages: {
    auto content = packages(facts, request);
    const auto words = content["words"].get<std::string>();
    return finish("opam_packages.html", words.empty() ? "Packages of " + tree.repository : words + " – packages",
                  std::move(content));
  }
  case Kind::package: {
    TRY_ASSIGN(auto content, package(facts, trees, tree, wish));
    const auto title = content["name"].get<std::string>() + " " + content["version"].get<std::string>();
    return finish("opam_package.html", title, std::move(content));
  }
  case Kind::feed: {
    const auto entries = news_of(*facts.index, *facts.dates, feed_entries);
    const auto updated = entries.empty() ? rfc3339(Timestamp{}) : string_at(entries[0], "published_at");
    return fill("opam_feed.xml",
                {{"site", request.site}, {"repository", tree.repository}, {"updated", updated}, {"entries", entries}});
  }
  default: return finish("opam_home.html", tree.repository, home(facts, tree, request));
  }
}

Json OpamPages::home(const Facts& facts, const publish::OpenTree& tree, const publish::ViewRequest& request) {
  const auto annotation = [&](const char* name) {
    const auto found = tree.snapshot.annotations.find(name);
    return found == tree.snapshot.annotations.end() ? std::string() : found->second;
  };
  const auto commit = annotation(opam::commit_annotation);
  return {{"repository", tree.repository},
          {"site", request.site},
          {"packages", facts.index->all().size()},
          {"versions", facts.index->versions()},
          {"commit", commit},
          {"short_commit", commit.substr(0, 12)},
          {"committed_at", annotation(opam::time_annotation)},
          {"source", annotation(opam::source_annotation)},
          {"snapshot", tree.digest.text()},
          {"news", news_of(*facts.index, *facts.dates, news)}};
}

Json OpamPages::packages(const Facts& facts, const publish::ViewRequest& request) {
  const auto words = words_in(request.query);
  const auto found = facts.index->search(words);
  const auto pages = std::max<std::size_t>((found.size() + page_size - 1) / page_size, 1);
  const auto number = std::min(page_number(request.query), pages);
  Json list = Json::array();
  for (auto at = (number - 1) * page_size; at < std::min(number * page_size, found.size()); ++at) {
    const auto& package = *found[at];
    const auto& latest = package.latest();
    const auto date = facts.dates->find(latest.name.text());
    list.push_back({{"name", package.name},
                    {"path", "packages/" + http::percent_encode(package.name) + "/"},
                    {"version", latest.name.version},
                    {"versions", package.versions.size()},
                    {"synopsis", latest.package.synopsis},
                    {"day", date == facts.dates->end() ? Json() : Json(day_of(date->second))}});
  }
  const auto link = [&](std::size_t to) { return fmt::format("?q={}&page={}", http::percent_encode(words), to); };
  return {{"words", words},
          {"count", found.size()},
          {"is_one", found.size() == 1},
          {"page", number},
          {"pages", pages},
          {"previous", number > 1 ? Json(link(number - 1)) : Json()},
          {"next", number < pages ? Json(link(number + 1)) : Json()},
          {"list", std::move(list)}};
}

Result<Json> OpamPages::package(const Facts& facts, publish::Trees& trees, const publish::OpenTree& tree,
                                const Wish& wish) {
  const auto* named = facts.index->find(wish.name);
  const auto* entry = !named || !wish.version.empty() ? nullptr : &named->latest();
  if (named && !entry) {
    const auto found =
        std::ranges::find(named->versions, wish.version, [](const auto* each) { return each->name.version; });
    entry = found == named->versions.end() ? nullptr : *found;
  }
  if (!entry)
    return fail(Failure::not_found,
                fmt::format("there is no package '{}'",
                            printable(wish.version.empty() ? wish.name : wish.name + "." + wish.version)));
  const auto& file_path = entry->path;
  TRY_ASSIGN(const auto file, trees.find(tree, file_path));
  if (!file) return fail(Failure::corrupt, file_path + " is not in its tree");
  TRY_ASSIGN(const auto text, trees.read(tree.repository, file.file->digest, opam::file_bytes_max));
  TRY_ASSIGN(const auto items, opam::parse_file(text, file_path));
  auto out = web::facts_of(items);
  for (const auto* list : {"depends", "depopts", "conflicts"})
    for (auto& part : out[list])
      if (part["package"].is_string() && facts.index->find(string_at(part, "package")))
        part["path"] = "packages/" + http::percent_encode(string_at(part, "package")) + "/";
      else
        part["path"] = Json();
  const auto date_of = [&](const opam::PackageName& name) {
    const auto found = facts.dates->find(name.text());
    return found == facts.dates->end() ? Json() : Json(day_of(found->second));
  };
  Json versions = Json::array();
  for (const auto* each : named->versions)
    versions.push_back({{"version", each->name.version},
                        {"path", path_of(each->name)},
                        {"day", date_of(each->name)},
                        {"is_this", each == entry},
                        {"is_latest", each == &named->latest()},
                        {"is_available", each->package.is_available}});
  TRY_ASSIGN(auto sources, describe_sources(facts, tree.repository, entry->package));
  out["name"] = entry->name.name;
  out["version"] = entry->name.version;
  out["is_available"] = entry->package.is_available;
  out["file"] = http::percent_encode_path(file_path);
  out["published"] = date_of(entry->name);
  out["versions"] = std::move(versions);
  out["dependants"] = at_most(named->dependants, wish.is_json ? named->dependants.size() : dependants_max);
  out["optional_dependants"] =
      at_most(named->optional_dependants, wish.is_json ? named->optional_dependants.size() : dependants_max);
  out["dependants_count"] = named->dependants.size();
  out["sources"] = std::move(sources);
  return out;
}

Result<Json> OpamPages::describe_sources(const Facts& facts, const std::string& repository,
                                         const opam::Package& package) {
  Json out = Json::array();
  for (const auto& source : package.sources) {
    Json checksums = Json::array();
    for (const auto& checksum : source.checksums)
      checksums.push_back({{"text", checksum.text()}, {"path", "cache/" + checksum.cache_path()}});
    const auto url = source.urls.empty() ? std::string() : source.urls[0];
    const bool is_link = url.starts_with("https://") || url.starts_with("http://");
    Json each{{"name", source.extra_name.empty() ? Json() : Json(source.extra_name)},
              {"url", url},
              {"link", is_link ? Json(url) : Json()},
              {"checksums", std::move(checksums)},
              {"can_be_kept", source.is_cacheable()},
              {"is_kept", false},
              {"size", Json()},
              {"downloads", Json()}};
    if (!source.checksums.empty()) {
      const auto pin = m_catalog.find_pin(repository, source.checksums[0].text());
      if (!pin && pin.error().failure != Failure::not_found) return std::unexpected(pin.error());
      if (pin) {
        each["is_kept"] = true;
        each["size"] = human_size(pin->blob.size);
        const auto count = facts.downloads->find(pin->digest.text());
        each["downloads"] = count == facts.downloads->end() ? 0 : count->second;
      }
    }
    out.push_back(std::move(each));
  }
  return out;
}

Result<Json> OpamPages::status(const publish::OpenTree& tree) {
  Json channels = Json::array();
  const auto now = m_clock.now();
  for (const auto& kept : m_repositories.places()) {
    if (kept.place.repository != tree.repository) continue;
    TRY_ASSIGN(const auto state, opam::state_of(m_catalog, kept.place));
    auto each = opam::summary_of(state, now);
    each["channel"] = kept.place.channel;
    each["git"] = upstream::without_password(kept.place.source.url);
    for (const auto* name : {"published_at", "looked_at"})
      if (each[name].is_string()) each[name] = each[name].get<std::string>().substr(0, 19) + "Z";
    each["is_behind"] = state.behind(now).count() > 0;
    each["behind"] = fmt::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(state.behind(now)).count());
    each["took_ms"] = (state.fetching + state.reading + state.publishing).count();
    each["failing"] = Json::array();
    for (const auto& failing : state.sources.failing)
      if (each["failing"].size() < listed_max) each["failing"].push_back(opam::json_of(failing));
    each["unpublished"] = Json::array();
    for (const auto& [path, problem] : state.findings)
      if (each["unpublished"].size() < listed_max)
        each["unpublished"].push_back({{"path", path}, {"problem", problem}});
    TRY_ASSIGN(const auto moves, m_catalog.tag_history(tree.repository, kept.place.channel, 20));
    each["history"] = Json::array();
    for (const auto& move : moves)
      each["history"].push_back({{"at", rfc3339(move.at).substr(0, 19)},
                                 {"event", name_of(move.event)},
                                 {"snapshot", move.digest ? Json(*move.digest) : Json()},
                                 {"short", move.digest ? Json(move.digest->substr(0, 19)) : Json()}});
    mark_filled(each);
    channels.push_back(std::move(each));
  }
  TRY_ASSIGN(const auto kept, m_catalog.pin_totals(tree.repository));
  TRY_ASSIGN(const auto tallies, m_catalog.tallies(tree.repository));
  const auto fetched = tallies.find("index");
  return Json{{"repository", tree.repository},
              {"channels", std::move(channels)},
              {"sources_kept", kept.blobs},
              {"sources_bytes", kept.bytes},
              {"sources_size", human_size(kept.bytes)},
              {"index_fetched", fetched == tallies.end() ? 0 : fetched->second}};
}

}  // namespace slipway::web
