#pragma once
// The opam repositories of a server: those that its configuration names, and those that were added to the catalog for
// all servers that share it.

#include "opam/repository.hpp"
#include "opam/repository_view.hpp"

#include <shared_mutex>

namespace slipway::opam {

struct RepositoriesOptions {
  std::vector<SourcePlace> places;  ///< of the configuration
  RepositoryOptions repository;     ///< of each, whose poll is for those that name none
};

/// One that is to be kept.
struct KeptPlace {
  SourcePlace place;
  std::chrono::milliseconds poll{};
  bool is_configured = false;  ///< else it was added
};

/// Safe to call from any thread.
class Repositories {
public:
  /// Failure::invalid where two of the configuration would be kept in one channel. What it is given outlives it.
  static Result<std::unique_ptr<Repositories>> open(RepositoriesOptions options, catalog::Catalog& catalog,
                                                    const Clock& clock);
  ~Repositories() { stop(); }

  bool has(const std::string& repository);
  /// What their sites have besides files.
  publish::View& view() { return m_view; }
  /// From now on they are kept up to date, by way of `registry`, which is asked as somebody who may publish; until
  /// stop(), which `trees` outlives.
  void start(http::Asking registry, publish::Trees& trees);
  void stop();

  std::vector<KeptPlace> places();
  /// not_found where there is none.
  Result<KeptPlace> find(const std::string& repository, const std::string& channel);
  /// The one at work; null where this server does not keep it, as one that is read-only.
  std::shared_ptr<Repository> running(const SourcePlace& place);
  /// What the packages of a repository's snapshots are read with.
  std::shared_ptr<Packages> packages(const std::string& repository);

  /// For all servers, from now on. conflict where the channel is one that is kept already; else as
  /// check_source_place().
  Result<> add(const SourcePlace& place, std::optional<std::chrono::milliseconds> poll);
  /// What is published stays. denied where the configuration names it.
  Result<> remove(const SourcePlace& place);

private:
  Repositories(RepositoriesOptions options, catalog::Catalog& catalog, const Clock& clock);
  void work();
  Result<> read_added();
  void run_all();
  void tally_downloads();

  const RepositoriesOptions m_options;
  catalog::Catalog& m_catalog;
  const Clock& m_clock;
  RepositoryView m_view;

  std::shared_mutex m_mutex;  // guards what follows
  std::vector<KeptPlace> m_places;
  std::map<std::string, std::shared_ptr<Packages>> m_packages;   // by repository
  std::map<std::string, std::shared_ptr<Repository>> m_running;  // by place
  http::Asking m_registry;
  publish::Trees* m_trees = nullptr;  // while they are at work

  std::mutex m_wait_mutex;
  std::condition_variable m_changed;
  bool m_is_ending = false;
  std::thread m_thread;
};

}  // namespace slipway::opam
