#pragma once
// Copies the bytes that a catalog speaks of from one store to another, in which the catalog finds them under the same
// locations; or only looks whether they are what it says. Each blob is compared with its digest on its way. What the
// other store has already is not copied again: a location's bytes never change, and a pack's only grow.

#include "blob/store.hpp"
#include "catalog/catalog.hpp"

#include <functional>
#include <set>

namespace slipway::moving {

struct CopyOptions {
  unsigned jobs = 8;                   ///< blobs at a time
  std::uint64_t bytes_per_second = 0;  ///< that are read; 0: as many as can be
  /// Told of the catalog's bytes that are done, by one thread at a time.
  std::function<void(std::uint64_t)> advance = [](std::uint64_t) {};
};

struct CopyReport {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t copied_objects = 0;  ///< blobs of their own, and packs
  std::uint64_t copied_bytes = 0;
  std::vector<std::string> damaged;     ///< digests whose bytes are lost or wrong; at most 100 are named
  std::uint64_t damaged_blobs = 0;      ///< all of them
  std::set<std::string> damaged_packs;  ///< those with some of them
};

/// Brings `to` up to date. Blobs that are damaged are told of, and do not end it. `suspects` are packs to be looked at
/// although `to` has them whole: what is wrong in the one store is taken from the other, if it is right there.
/// Others may go on changing the catalog: what they remove meanwhile is not missed.
Result<CopyReport> copy_store(catalog::Catalog& catalog, blob::BlobStore& from, blob::BlobStore& to,
                              const CopyOptions& options, const std::set<std::string>& suspects = {});

/// Takes from a copy what no blob of the catalog's lies in, as it has gone since, or is about to. Nobody else writes to
/// either; returns how many objects those were.
Result<std::uint64_t> remove_unknown(catalog::Catalog& catalog, blob::BlobStore& store);

/// Reads everything; nothing is copied.
Result<CopyReport> verify_store(catalog::Catalog& catalog, blob::BlobStore& store, const CopyOptions& options);

}  // namespace slipway::moving
