#include "opam/repository.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

namespace slipway::opam {
namespace {

/// A look that brought nothing new is told this often.
constexpr auto looked_at_precision = std::chrono::seconds(60);

/// A long list of failing sources is not written with each one of them.
constexpr std::size_t few_failing = 50;
constexpr auto pause_of_many = std::chrono::seconds(30);

std::string report_name(const SourcePlace& place) { return "opam:" + place.text(); }

/// A name of a repository is no name of a folder: it has slashes.
std::string folder_of(const SourcePlace& place) { return to_hex(digest_of(as_bytes(place.text())).value().first(8)); }

}  // namespace

std::vector<std::string> reports_of(const SourcePlace& place) { return {report_name(place), dates_report_name(place)}; }

Result<RepositoryState> state_of(catalog::Catalog& catalog, const SourcePlace& place) {
  TRY_ASSIGN(const auto report, catalog.report(report_name(place)));
  return report ? RepositoryState::parse(report->value) : RepositoryState();
}

Repository::Repository(SourcePlace place, RepositoryOptions options, catalog::Catalog& catalog, const Clock& clock,
                       publish::Trees& trees, std::shared_ptr<Packages> packages, const http::Asking& registry)
    : m_place(std::move(place)), m_options(std::move(options)), m_catalog(catalog), m_clock(clock), m_trees(trees),
      m_packages(std::move(packages)),
      m_client(registry, {.url = "this server", .repository = m_place.repository, .authorization = {}, .ca_file = {}}),
      m_sources({catalog, m_client, m_options.directory / "spool"}, m_options.sources) {
  if (m_options.with_dates)
    m_dates.emplace(m_place, (m_options.directory / "clones" / (folder_of(m_place) + "-history.git")).string(),
                    catalog);
  WatcherOptions watching{.place = m_place,
                          .interval = m_options.poll,
                          .directory = m_options.directory / "clones" / (folder_of(m_place) + ".git"),
                          .is_ours = m_options.is_ours,
                          .withdrawn = [this] { return withdrawn(); },
                          .on_ready = [this](const SyncReport& report,
                                             const publish::Snapshot& snapshot) { return prepare(report, snapshot); },
                          .on_published = [this] { return look_for_sources(); },
                          .told = [this](const Look& look) { told(look); }};
  m_watcher = std::make_unique<Watcher>(std::move(watching), registry);
}

Result<> Repository::look_for_sources() {
  TRY_ASSIGN(const auto index, m_catalog.find_tag(m_place.repository, m_place.channel));
  TRY_ASSIGN(const auto tree, m_trees.open(m_place.repository, index));
  TRY_ASSIGN(const auto list, m_packages->read(m_trees, m_place.repository, tree->snapshot));
  return want(list);
}

Result<> Repository::want(const PackageList& packages) {
  const std::lock_guard lock(m_state_mutex);
  if (!m_has_wanted) {
    TRY_ASSIGN(auto known, state_of(m_catalog, m_place));
    m_sources.remember(std::move(known.sources.failing));
  }
  TRY(m_sources.want(sources_of(packages)));
  m_has_wanted = true;
  return {};
}

/// Before it is live: its pages have the dates of what is new from the first one on.
Result<> Repository::prepare(const SyncReport& report, const publish::Snapshot& snapshot) {
  std::map<std::string, Timestamp> times;
  for (const auto& name : report.new_packages) times.emplace(name, report.committed_at);
  if (const auto noted = m_catalog.note_first_published(m_place.repository, times); !noted)
    log::warn("the date of new packages cannot be noted", {{"error", noted.error().message}});
  return m_options.wait.count() > 0 ? wait_for_sources(snapshot) : Result<>();
}

Result<> Repository::wait_for_sources(const publish::Snapshot& snapshot) {
  TRY_ASSIGN(const auto list, m_packages->read(m_trees, m_place.repository, snapshot));
  TRY(want(list));
  if (!m_sources.wait_for_first_tries(m_options.wait))
    log::info("publishing although sources are still being fetched", {{"repository", m_place.repository}});
  return {};
}

/// As WatcherOptions has it.
Result<std::string> Repository::withdrawn() {
  TRY_ASSIGN(const auto moves, m_catalog.tag_history(m_place.repository, m_place.channel, 1));
  if (moves.empty() || moves[0].event != catalog::TagEvent::rollback || !moves[0].from) return std::string();
  TRY_ASSIGN(const auto digest, Digest::parse(*moves[0].from));
  const auto index = m_catalog.find_manifest(m_place.repository, digest);
  if (!index && index.error().failure == Failure::not_found) return std::string();
  if (!index) return std::unexpected(index.error());
  TRY_ASSIGN(const auto snapshot, publish::parse_index(*index->bytes));
  const auto commit = snapshot.annotations.find(commit_annotation);
  return commit == snapshot.annotations.end() ? std::string() : commit->second;
}

// ---- what is told

void Repository::told(const Look& look) {
  if (m_dates && look.report) m_dates->want();
  const auto done = change_state([&](RepositoryState& state) {
    const auto now = m_clock.now();
    const bool is_stale = now - state.looked_at > looked_at_precision;
    return state.take(look, now) || is_stale;
  });
  if (!done)
    log::warn("what became of an opam repository cannot be noted",
              {{"repository", m_place.repository}, {"error", done.error().message}});
}

void Repository::tell_sources() {
  if (!m_options.is_ours()) return;
  if (m_has_others_kept.exchange(false))
    if (const auto looked = look_for_sources(); !looked)
      log::debug("sources cannot be looked for", {{"error", looked.error().message}});
  auto now = m_sources.status();
  const auto at = std::chrono::steady_clock::now();
  if (now.failing.size() > few_failing && at - m_told_sources_at < pause_of_many) return;
  const auto done = change_state([&](RepositoryState& state) {
    const auto is_same = [](const SourceState& a, const SourceState& b) {
      return a.failures == b.failures && a.problem == b.problem && a.source.urls == b.source.urls;
    };
    if (!m_has_wanted || (state.sources.wanted == now.wanted && state.sources.missing == now.missing &&
                          std::ranges::equal(state.sources.failing, now.failing, is_same)))
      return false;
    state.sources = std::move(now);
    state.sources_at = m_clock.now();
    m_told_sources_at = at;
    return true;
  });
  if (!done) log::debug("what became of sources cannot be noted", {{"error", done.error().message}});
}

/// `change` says whether there is something to tell.
Result<> Repository::change_state(const std::function<bool(RepositoryState&)>& change) {
  const std::lock_guard lock(m_state_mutex);
  auto state = state_of(m_catalog, m_place);
  if (!state && state.error().failure != Failure::invalid) return std::unexpected(state.error());
  auto known = state.value_or(RepositoryState());
  return change(known) ? m_catalog.put_report(report_name(m_place), known.text()) : Result<>();
}

}  // namespace slipway::opam
