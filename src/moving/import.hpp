#pragma once
// Brings the repositories of a docker-registry's storage into a catalog and its store: which blobs each has, its
// manifests, where its tags point. What is there already is left as it is, so that an import that was cut short is gone
// on with by running it again.
//
// What is damaged, missing or not understood over there is told and passed over, and the rest is brought all the same;
// what fails on this side ends the import.

#include "catalog/catalog.hpp"
#include "moving/docker_registry.hpp"
#include "moving/listener.hpp"
#include "oci/manifest.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace slipway::moving {

/// Where things are brought to. What it names outlives the import.
struct Target {
  catalog::Catalog& catalog;
  blob::BlobStore& store;
  std::string store_id;
};

struct ImportOptions {
  std::vector<std::string> repositories;  ///< empty: all
  unsigned jobs = 4;                      ///< threads that copy
  bool dry_run = false;                   ///< only look
  oci::ManifestLimits manifest;
  std::string who = "import";  ///< pushed it, as the history of tags says
};

struct ImportReport {
  std::uint64_t repositories = 0;
  std::uint64_t copied_blobs = 0;  ///< new to the store
  std::uint64_t copied_bytes = 0;
  std::uint64_t given_blobs = 0;  ///< that the store had, and the repository had not
  std::uint64_t kept_blobs = 0;   ///< that the repository had
  std::uint64_t new_manifests = 0;
  std::uint64_t kept_manifests = 0;
  std::uint64_t set_tags = 0;
  std::uint64_t kept_tags = 0;
  std::uint64_t problems = 0;
  std::uint64_t notes = 0;
};

/// With dry_run, `target` may be null: nothing is there yet; and the report says what would be done. Fails where the
/// target does, or where the source does not answer.
Result<ImportReport> import_repositories(DockerRegistry& source, const Target* target, const ImportOptions& options,
                                         const Listener& listener);

}  // namespace slipway::moving
