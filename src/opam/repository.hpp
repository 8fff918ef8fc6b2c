#pragma once
// One opam repository at work: its git repository is watched, what comes from there is published, the sources are
// fetched, and what is known of all that is told to other servers.

#include "catalog/catalog.hpp"
#include "opam/dates.hpp"
#include "opam/packages.hpp"
#include "opam/repository_state.hpp"

namespace slipway::opam {

struct RepositoryOptions {
  std::chrono::milliseconds poll{15'000};
  /// How long a snapshot waits for the first tries of the sources that are new in it.
  std::chrono::milliseconds wait{0};
  /// When packages were first published is read out of git's history.
  bool with_dates = true;
  SourcesOptions sources = {};
  std::filesystem::path directory;  ///< for clones, and what is fetched
  /// As WatcherOptions has it.
  std::function<bool()> is_ours = [] { return true; };
};

/// Safe to call from any thread.
class Repository {
public:
  /// Begins at once. What it is given outlives it; `registry` is asked as somebody who may publish.
  Repository(SourcePlace place, RepositoryOptions options, catalog::Catalog& catalog, const Clock& clock,
             publish::Trees& trees, std::shared_ptr<Packages> packages, const http::Asking& registry);
  Repository(const Repository&) = delete;

  const SourcePlace& place() const { return m_place; }
  std::chrono::milliseconds poll() const { return m_options.poll; }
  /// Ends what is under way; whoever waits for a look is told so. From then on nothing happens any more.
  void stop() { m_watcher->stop(); }
  void look() { m_watcher->look(); }
  /// As Watcher has it.
  Result<Look> look_and_wait(std::chrono::milliseconds patience) { return m_watcher->look_and_wait(patience); }
  /// Somebody else has kept sources: they are not looked for any more, within some seconds.
  void sources_were_kept() { m_has_others_kept = true; }
  /// Tells the others what became of the sources, if that is ours to tell and is another thing than it was. Called
  /// every few seconds.
  void tell_sources();

private:
  Result<> look_for_sources();
  Result<> want(const PackageList& packages);
  Result<> prepare(const SyncReport& report, const publish::Snapshot& snapshot);
  Result<> wait_for_sources(const publish::Snapshot& snapshot);
  Result<std::string> withdrawn();
  void told(const Look& look);
  Result<> change_state(const std::function<bool(RepositoryState&)>& change);

  const SourcePlace m_place;
  const RepositoryOptions m_options;
  catalog::Catalog& m_catalog;
  const Clock& m_clock;
  publish::Trees& m_trees;
  const std::shared_ptr<Packages> m_packages;
  publish::RegistryClient m_client;
  Sources m_sources;
  std::optional<Dates> m_dates;
  std::atomic<bool> m_has_others_kept{false};
  std::mutex m_state_mutex;            // guards the state in the catalog, as far as this server changes it
  Steady m_told_sources_at{};          // guarded likewise
  bool m_has_wanted = false;           // sources: before that, what is known of them is another's; guarded likewise
  std::unique_ptr<Watcher> m_watcher;  // the last: it uses the others
};

/// Of the catalog: all that servers note of a repository.
std::vector<std::string> reports_of(const SourcePlace& place);

/// What is known of a repository; an empty state where nothing is.
Result<RepositoryState> state_of(catalog::Catalog& catalog, const SourcePlace& place);

}  // namespace slipway::opam
