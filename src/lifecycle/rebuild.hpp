#pragma once
// Makes a catalog of the journal in a store.

#include "catalog/rebuild.hpp"
#include "lifecycle/journal_objects.hpp"

namespace slipway::lifecycle {

struct RebuildReport {
  std::string generation;
  std::int64_t through = 0;  ///< the last change it knows of
  std::size_t objects = 0;
  std::uint64_t rows = 0;  ///< told, some of them several times
};

/// Applies a generation, or where that is empty the newest that is whole, to an empty catalog. `advance` hears of every
/// object's bytes, and once before of all of them. not_found where there is none; an error names the object that cannot
/// be used.
Result<RebuildReport> rebuild(blob::Objects& objects, const std::string& generation, catalog::Rebuild& catalog,
                              const std::function<void(std::uint64_t done, std::uint64_t total)>& advance);

}  // namespace slipway::lifecycle
