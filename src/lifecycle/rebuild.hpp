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

struct RebuildChoice {
  std::string generation;  ///< empty: the one there is
  bool partial = false;    ///< up to the first object that is damaged or missing, if there is one
};

/// Applies a generation to an empty catalog. `advance` hears of every object's bytes. not_found where there is none,
/// conflict where there are several and none was chosen; an error names the object that cannot be used.
Result<RebuildReport> rebuild(blob::Objects& objects, const RebuildChoice& choice, catalog::Rebuild& catalog,
                              const std::function<void(std::uint64_t done, std::uint64_t total)>& advance);

}  // namespace slipway::lifecycle
