#pragma once
// The opam repositories that the configuration names: what they show, and who keeps them up to date.

#include "cli/config.hpp"
#include "lifecycle/lease.hpp"
#include "oci/registry.hpp"
#include "opam/packages.hpp"
#include "opam/repository_view.hpp"
#include "opam/sources.hpp"
#include "opam/watcher.hpp"

#include <set>

namespace slipway::cli {

class OpamRepositories {
public:
  /// Failure::invalid where two would be kept in one channel. Clones and archives lie below `data`.
  static Result<std::unique_ptr<OpamRepositories>> open(const Config& config, const std::filesystem::path& data,
                                                        catalog::Catalog& catalog);

  /// As publish::SiteOptions::view_of.
  publish::View* view_of(const std::string& repository);
  /// From now on they are kept up to date, in `registry`, which outlives stop() as `trees` does. One server at a time
  /// does it where several share the catalog.
  void start(oci::Registry& registry, publish::Trees& trees);
  void stop() { m_running.clear(); }

private:
  /// One of them, at work.
  struct Running {
    Running(const opam::SourcePlace& kept, OpamRepositories& all, oci::Registry& registry, publish::Trees& trees);
    Result<> look_for_sources(const Digest& snapshot);
    Result<std::string> withdrawn();

    const opam::SourcePlace& place;
    catalog::Catalog& catalog;
    publish::Trees& trees;
    publish::RegistryClient client;
    opam::Packages packages;
    opam::Sources sources;
    opam::Watcher watcher;  // the last: it uses the others
  };

  OpamRepositories(std::vector<opam::SourcePlace> places, const Config& config, const std::filesystem::path& folder,
                   catalog::Catalog& catalog)
      : m_places(std::move(places)), m_interval(config.opam_poll), m_private_sources(config.opam_private_sources),
        m_folder(folder), m_catalog(catalog), m_lease(catalog, "opam"), m_view(catalog, folder / "archives") {}

  const std::vector<opam::SourcePlace> m_places;
  const std::chrono::milliseconds m_interval;
  const bool m_private_sources;
  const std::filesystem::path m_folder;
  catalog::Catalog& m_catalog;
  lifecycle::Lease m_lease;
  opam::RepositoryView m_view;
  std::vector<std::unique_ptr<Running>> m_running;  // the last: they use the others
};

/// A client of this process's own registry, who may do everything and is called `who`.
http::Asking ask_registry(oci::Registry& registry, std::string who);

}  // namespace slipway::cli
