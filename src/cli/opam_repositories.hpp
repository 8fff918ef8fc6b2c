#pragma once
// The opam repositories that the configuration names: what they show, and who keeps them up to date.

#include "cli/config.hpp"
#include "lifecycle/lease.hpp"
#include "oci/registry.hpp"
#include "opam/index_view.hpp"
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
  /// From now on they are kept up to date, in `registry`, which outlives stop(). One server at a time does it where
  /// several share the catalog.
  void start(oci::Registry& registry);
  void stop() { m_watchers.clear(); }

private:
  OpamRepositories(std::vector<opam::SourcePlace> places, std::chrono::milliseconds interval,
                   const std::filesystem::path& folder, catalog::Catalog& catalog)
      : m_places(std::move(places)), m_interval(interval), m_folder(folder), m_lease(catalog, "opam"),
        m_view(folder / "archives") {}

  const std::vector<opam::SourcePlace> m_places;
  const std::chrono::milliseconds m_interval;
  const std::filesystem::path m_folder;
  lifecycle::Lease m_lease;
  opam::IndexView m_view;
  std::vector<std::unique_ptr<opam::Watcher>> m_watchers;  // the last: they use the lease
};

/// A client of this process's own registry, who may do everything and is called `who`.
http::Asking ask_registry(oci::Registry& registry, std::string who);

}  // namespace slipway::cli
