#pragma once
// How bytes that arrived become a blob: found to be there already, or finished in the store and then entered in the
// catalog. The order is what makes an acknowledged blob durable and a broken one invisible.

#include "blob/intake.hpp"
#include "catalog/catalog.hpp"

namespace slipway::catalog {

/// Reads bytes to their end and compares their digest; corrupt where they are others. `each` gets them as they come.
Result<> check_bytes(const FileSlice& bytes, const Digest& digest, const std::function<Result<>(ByteView)>& each = {});

/// True if the bytes the catalog speaks of are really there. Small ones are read; of large ones that would take too
/// long.
bool is_whole(blob::BlobStore& store, const StoredBlob& blob, const Digest& digest);

/// Opens a blob that was just looked up. Where its pack was compacted in between, `look_again` finds its new place.
Result<FileSlice> open_blob(blob::BlobStore& store, const StoredBlob& blob, ByteRange range,
                            const std::function<Result<StoredBlob>()>& look_again);

/// Removes bytes that the deletion queue has, then their row.
Result<> remove_queued(Catalog& catalog, blob::BlobStore& store, const blob::Location& location);
/// The same for several. What fails, or must wait for those who read it, or until the store was copied, stays in the
/// queue for the janitor to try again: nobody needs to hear of it.
void remove_all_queued(Catalog& catalog, blob::BlobStore& store, const std::vector<blob::Location>& locations);

/// Where a blob is entered: in a repository, under a key.
struct Entering {
  /// The store holds it already; not_found where it does so no longer.
  std::function<Result<>()> adopt;
  /// Its bytes are durable at the location; `lost`: those that the catalog knew are not.
  std::function<Result<StoredBlob>(const std::vector<Digest>& digests, const blob::Location& location, bool lost)>
      commit;
};

/// Enters all bytes of an intake, whose digest is `digest`.
Result<> keep(Catalog& catalog, blob::BlobStore& store, blob::Intake& intake, const Digest& digest,
              const Entering& entering);

}  // namespace slipway::catalog
