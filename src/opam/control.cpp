#include "opam/control.hpp"

#include "base/log.hpp"
#include "opam/check.hpp"
#include "opam/source_hasher.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

/// A first pass over a large repository, by a slow network, may take longer; it goes on.
constexpr auto sync_patience = std::chrono::minutes(4);
constexpr std::size_t listed_max = 10'000;
constexpr std::size_t checksums_max = 16;

Json checksums_of(const Source& source) {
  Json out = Json::array();
  for (const auto& checksum : source.checksums) out.push_back(checksum.text());
  return out;
}

Json place_of(const SourcePlace& place) { return {{"repository", place.repository}, {"channel", place.channel}}; }

/// A problem as it is listed, by whatever it is about.
Json finding(std::string_view kind, std::string about, std::string text) {
  return {{"kind", kind}, {"about", std::move(about)}, {"text", std::move(text)}};
}

const SourceState* failing_of(const RepositoryState& state, const Source& source) {
  const auto found = std::ranges::find(state.sources.failing, source.checksums,
                                       [](const SourceState& each) { return each.source.checksums; });
  return found == state.sources.failing.end() ? nullptr : &*found;
}

}  // namespace

Result<PackageList> Control::packages(const SourcePlace& place) {
  const auto packages = m_repositories.packages(place.repository);
  const auto index = m_catalog.find_tag(place.repository, place.channel);
  if (!index && index.error().failure == Failure::not_found) return PackageList();  // nothing is published yet
  if (!index) return std::unexpected(index.error());
  if (!packages) return fail(Failure::not_found, "no opam repository is kept as " + place.text());
  TRY_ASSIGN(const auto tree, m_trees.open(place.repository, *index));
  return packages->read(m_trees, place.repository, tree->snapshot);
}

// ---- which there are

Result<Json> Control::list() {
  Json out = Json::array();
  for (const auto& kept : m_repositories.places()) {
    TRY_ASSIGN(auto each, status_of(kept));
    out.push_back(std::move(each));
  }
  return Json{{"opam", std::move(out)}};
}

Result<Json> Control::add(const admin::OpamPlace& place, const admin::OpamSource& source, const std::string& who) {
  const SourcePlace wanted{
      .repository = place.repository, .channel = place.channel, .source = {.url = source.git, .branch = source.branch}};
  TRY(m_repositories.add(wanted, source.poll));
  log::info("opam repository added", {{"repository", wanted.text()}, {"who", who}});
  return status(place);
}

Result<Json> Control::remove(const admin::OpamPlace& place, const std::string& who) {
  const SourcePlace wanted{.repository = place.repository, .channel = place.channel, .source = {}};
  TRY(m_repositories.remove(wanted));
  log::info("opam repository is not kept any more", {{"repository", wanted.text()}, {"who", who}});
  return Json{{"removed", wanted.text()}};
}

// ---- how they are

Result<Json> Control::status_of(const KeptPlace& kept) {
  TRY_ASSIGN(const auto state, state_of(m_catalog, kept.place));
  auto out = place_of(kept.place);
  out["git"] = upstream::without_password(kept.place.source.url);
  out["branch"] = kept.place.source.branch.empty() ? Json() : Json(kept.place.source.branch);
  out["poll_ms"] = kept.poll.count();
  out["configured"] = kept.is_configured;
  out.update(summary_of(state, m_clock.now()));
  return out;
}

Result<Json> Control::status(const admin::OpamPlace& place) {
  TRY_ASSIGN(const auto kept, m_repositories.find(place.repository, place.channel));
  return status_of(kept);
}

Result<Json> Control::sync(const admin::OpamPlace& place) {
  TRY_ASSIGN(const auto kept, m_repositories.find(place.repository, place.channel));
  const auto repository = m_repositories.running(kept.place);
  if (!repository) return fail(Failure::read_only, "this server is read-only: it looks at no git repository");
  TRY_ASSIGN(const auto look, repository->look_and_wait(sync_patience));
  if (!look.problem.empty()) return fail(Failure::unavailable, look.problem + "; what is published stays");
  if (look.is_withdrawn)
    return fail(Failure::conflict, fmt::format("the channel was rolled back from commit {}: it is published again with "
                                               "the next commit, or by slipway promote",
                                               look.head));
  auto out = place_of(kept.place);
  out["commit"] = look.head;
  out["moved"] = look.report && look.report->moved;
  if (!look.report) return out;
  const auto& report = *look.report;
  out["snapshot"] = report.snapshot.text();
  out["changes"] = report.changes;
  out["fetching_ms"] = report.fetching.count();
  out["reading_ms"] = report.reading.count();
  out["publishing_ms"] = report.publishing.count();
  out["findings"] = Json::array();
  for (const auto& [path, problem] : report.findings) out["findings"].push_back(finding("file", path, problem));
  return out;
}

Result<Json> Control::check(const admin::OpamPlace& place) {
  TRY_ASSIGN(const auto kept, m_repositories.find(place.repository, place.channel));
  TRY_ASSIGN(const auto state, state_of(m_catalog, kept.place));
  TRY_ASSIGN(const auto list, packages(kept.place));
  Json out = Json::array();
  for (const auto& [path, problem] : state.findings) out.push_back(finding("file", path, problem));
  for (const auto& failing : state.sources.failing)
    out.push_back(
        finding("missing", failing.source.urls.empty() ? failing.key() : failing.source.urls[0], failing.problem));
  for (const auto& [kind, package, text] : check_sources(list))
    if (out.size() < listed_max) out.push_back(finding(name_of(kind), package.text(), text));
  auto answer = place_of(kept.place);
  answer["findings"] = std::move(out);
  return answer;
}

// ---- sources

Result<Json> Control::sources(const admin::OpamPlace& place, const std::string& wanted, const std::string& last,
                              std::size_t limit) {
  TRY_ASSIGN(const auto kept, m_repositories.find(place.repository, place.channel));
  TRY_ASSIGN(const auto state, state_of(m_catalog, kept.place));
  TRY_ASSIGN(const auto list, packages(kept.place));
  std::map<std::string, const Source*> all;
  for (const auto& part : list)
    for (const auto& entry : *part)
      for (const auto& source : entry.package.sources)
        if (source.is_cacheable()) all.emplace(key_of(source), &source);
  Json out = Json::array();
  std::string reached;
  for (auto each = all.upper_bound(last); each != all.end() && out.size() < limit; ++each) {
    reached = each->first;
    TRY_ASSIGN(auto described, describe_source(kept.place, *each->second, state));
    if (wanted.empty() || described["kept"].get<bool>() == (wanted == "kept")) out.push_back(std::move(described));
  }
  TRY_ASSIGN(const auto totals, m_catalog.pin_totals(place.repository));
  auto answer = place_of(kept.place);
  answer["sources"] = std::move(out);
  answer["wanted"] = all.size();
  answer["kept"] = totals.blobs;
  answer["kept_bytes"] = totals.bytes;
  answer["more"] = !reached.empty() && reached != all.rbegin()->first;
  answer["last"] = reached;
  return answer;
}

Result<Json> Control::describe_source(const SourcePlace& place, const Source& source, const RepositoryState& state) {
  Json out{{"urls", source.urls}, {"checksums", checksums_of(source)}, {"kept", false}};
  if (!source.extra_name.empty()) out["name"] = source.extra_name;
  if (!source.is_cacheable()) {
    out["problem"] = !source.is_archive ? "it is of a version control system, which no cache has"
                                        : "it has no checksum: no cache has it, and nobody can tell what came";
    return out;
  }
  std::vector<std::string> names;
  for (const auto& checksum : source.checksums) names.push_back(checksum.text());
  TRY_ASSIGN(const auto pinned, m_catalog.pinned(place.repository, names));
  out["kept"] = pinned.size() == std::set(names.begin(), names.end()).size();
  if (out["kept"] == true) {
    TRY_ASSIGN(const auto pin, m_catalog.find_pin(place.repository, names[0]));
    out["digest"] = pin.digest.text();
    out["size"] = pin.blob.size;
  } else if (const auto* failing = failing_of(state, source)) {
    out["problem"] = failing->problem;
    out["failures"] = failing->failures;
    out["next_in_ms"] = failing->next_in.count();
  }
  return out;
}

Result<Json> Control::explain(const admin::OpamPlace& place, const std::string& package) {
  TRY_ASSIGN(const auto kept, m_repositories.find(place.repository, place.channel));
  TRY_ASSIGN(const auto state, state_of(m_catalog, kept.place));
  TRY_ASSIGN(const auto list, packages(kept.place));
  Json versions = Json::array();
  for (const auto& part : list)
    for (const auto& [name, what, path] : *part) {
      if (name.name != package && name.text() != package) continue;
      Json sources = Json::array();
      for (const auto& source : what.sources) {
        TRY_ASSIGN(auto described, describe_source(kept.place, source, state));
        sources.push_back(std::move(described));
      }
      versions.push_back({{"package", name.text()},
                          {"synopsis", what.synopsis},
                          {"available", what.is_available},
                          {"sources", std::move(sources)}});
    }
  Json findings = Json::array();
  for (const auto& [path, problem] : state.findings)
    if (const auto name = package_of_path(path); name && (name->name == package || name->text() == package))
      findings.push_back(finding("file", path, problem));
  for (const auto& [kind, name, text] : check_sources(list))
    if (name.name == package || name.text() == package) findings.push_back(finding(name_of(kind), name.text(), text));
  if (versions.empty() && findings.empty())
    return fail(Failure::not_found, fmt::format("{} has no package '{}'{}", kept.place.text(), package,
                                                state.behind(m_clock.now()).count() > 0
                                                    ? "; the git repository has a commit that is not published yet"
                                                    : ""));
  auto out = place_of(kept.place);
  out["commit"] = state.commit;
  out["versions"] = std::move(versions);
  out["findings"] = std::move(findings);
  return out;
}

Result<Json> Control::keep(const std::string& repository, const std::string& digest_text,
                           const std::vector<std::string>& texts) {
  TRY_ASSIGN(const auto digest, Digest::parse(digest_text));
  if (!m_repositories.packages(repository))
    return fail(Failure::not_found, "no opam repository is kept as " + repository);
  if (texts.size() > checksums_max) return fail(Failure::invalid, "more than 16 checksums of one source");
  std::vector<Checksum> listed;
  for (const auto& text : texts) {
    auto checksum = Checksum::parse(text);
    if (!checksum) return fail(Failure::invalid, "'" + text.substr(0, 200) + "' is not a checksum");
    listed.push_back(std::move(*checksum));
  }
  SourceHasher hasher;
  TRY(m_trees.read_pieces(repository, digest, [&hasher](ByteView piece) -> Result<> {
    hasher.update(piece);
    return {};
  }));
  const auto actual = hasher.checksums();
  for (const auto& checksum : listed)
    if (std::ranges::find(actual, checksum) == actual.end())
      return fail(Failure::corrupt, fmt::format("{} has not {}", digest.text(), checksum.text()));
  TRY_ASSIGN(const auto taken, m_catalog.pin_blob(repository, digest, names_to_keep(actual, listed)));
  for (const auto& kept : m_repositories.places())
    if (kept.place.repository == repository)
      if (const auto running = m_repositories.running(kept.place)) running->sources_were_kept();
  return Json{{"repository", repository}, {"digest", digest.text()}, {"taken", taken}};
}

}  // namespace slipway::opam
