#pragma once
// Packs grow holes: blobs that nobody wants any more, bytes whose commit was refused. Those that are mostly hole, and
// those that never grew large, are emptied into new ones and put into the deletion queue.

#include "blob/store.hpp"
#include "catalog/catalog.hpp"

#include <functional>
#include <span>

namespace slipway::lifecycle {

/// A pack that nothing is added to any more, and that has little that is wanted.
struct SealedPack {
  catalog::Pack pack;
  std::uint64_t size = 0;  ///< of the object, bytes
};

/// Which of them to empty: those less than half wanted, and the others too once they are many.
std::vector<catalog::Pack> packs_to_compact(std::span<const SealedPack> packs);

struct Compaction {
  std::size_t emptied = 0;  ///< packs, now in the deletion queue
  std::size_t blobs_moved = 0;
  std::uint64_t bytes_moved = 0;
};

/// Empties packs that are worth it, a few a call. A blob whose bytes are not what its digest says is left
/// where it is, and told. `now` is the catalog's clock. Asked before each pack, `goes_on` may end it early.
Result<Compaction> compact_packs(
    catalog::Catalog& catalog, blob::BlobStore& store, Timestamp now,
    const std::function<bool()>& goes_on = [] { return true; });

}  // namespace slipway::lifecycle
