#include "lifecycle/packs.hpp"

#include "base/log.hpp"
#include "catalog/keep.hpp"

namespace slipway::lifecycle {
namespace {

constexpr std::size_t packs_looked_at = 64;
constexpr std::uint64_t few_bytes = blob::pack_bytes_max / 2;
constexpr std::size_t small_packs_max = 8;  // more are put together
constexpr std::uint64_t bytes_at_once = 1U << 20;
constexpr std::uint64_t bytes_a_call = 64U << 20;
// A commit that still means a pack we removed is refused as long as its row is there. None takes so long.
constexpr auto condemned_for = std::chrono::hours(24 * 7);

/// Copies of blobs on their way to a new pack.
struct Batch {
  std::vector<catalog::PackedBlob> blobs;
  std::vector<std::string> bytes;
  std::uint64_t size = 0;
};

Result<std::string> read_checked(blob::BlobStore& store, const catalog::PackedBlob& blob) {
  TRY_ASSIGN(const auto slice, store.open(blob.location, {0, blob.location.range.length}));
  std::string bytes(slice.range.length, '\0');
  TRY_ASSIGN(const auto n, read_some(slice, std::as_writable_bytes(std::span(bytes)), 0));
  if (n != bytes.size() || digest_of(as_bytes(bytes), blob.digest.algorithm()) != blob.digest)
    return fail(Failure::corrupt, blob.digest.text() + " is damaged in " + blob.location.key);
  return bytes;
}

Result<> move_batch(catalog::Catalog& catalog, blob::BlobStore& store, const std::string& store_id, Batch& batch) {
  std::vector<blob::SmallBlob> copies;
  for (const auto& bytes : batch.bytes) {
    TRY_ASSIGN(const auto id, catalog.next_location());
    copies.push_back({id, as_bytes(bytes)});
  }
  TRY_ASSIGN(const auto locations, store.put_small(copies));
  std::vector<catalog::Move> moves;
  for (std::size_t i = 0; i < locations.size(); ++i) moves.push_back({batch.blobs[i].location.id, locations[i]});
  TRY(catalog.move_locations(moves, store_id));
  batch = {};
  return {};
}

/// Moves what is wanted of a pack, and condemns it unless something stayed.
Result<> compact(catalog::Catalog& catalog, blob::BlobStore& store, const catalog::Pack& pack, Compaction& done) {
  constexpr std::size_t page = 256;
  TRY_ASSIGN(const auto store_id, store.identity());
  std::size_t unreadable = 0;
  std::string problem;
  for (blob::LocationId after{};;) {
    TRY_ASSIGN(const auto blobs, catalog.blobs_in_pack(pack.key, after, page));
    if (blobs.empty()) break;
    after = blobs.back().location.id;
    Batch batch;
    for (const auto& blob : blobs) {
      auto bytes = read_checked(store, blob);
      if (!bytes) {
        if (unreadable++ == 0) problem = bytes.error().message;
        continue;
      }
      batch.size += bytes->size();
      ++done.blobs_moved;
      done.bytes_moved += bytes->size();
      batch.blobs.push_back(blob);
      batch.bytes.push_back(std::move(*bytes));
      if (batch.size >= bytes_at_once) TRY(move_batch(catalog, store, store_id, batch));
    }
    if (!batch.blobs.empty()) TRY(move_batch(catalog, store, store_id, batch));
  }
  if (unreadable > 0) {
    log::error("blobs cannot be moved to another pack; pushing them again heals them",
               {{"pack", pack.key}, {"blobs", unreadable}, {"first_error", problem}});
    return {};
  }
  TRY_ASSIGN(const auto empty, catalog.condemn_pack(pack.key));
  if (empty) ++done.emptied;
  return {};
}

}  // namespace

std::vector<catalog::Pack> packs_to_compact(std::span<const SealedPack> packs) {
  std::vector<catalog::Pack> sparse;
  std::vector<catalog::Pack> small;
  for (const auto& [pack, size] : packs) {
    auto& kind = pack.bytes < size / 2 ? sparse : small;
    kind.push_back(pack);
  }
  if (small.size() > small_packs_max) sparse.insert(sparse.end(), small.begin(), small.end());
  return sparse;
}

Result<Compaction> compact_packs(catalog::Catalog& catalog, blob::BlobStore& store, Timestamp now) {
  TRY_ASSIGN(const auto candidates, catalog.packs_below(few_bytes, packs_looked_at));
  std::vector<SealedPack> sealed;
  for (const auto& pack : candidates) {
    const auto size = store.sealed_size(pack.key);
    if (size && *size) sealed.push_back({pack, **size});
  }
  Compaction done;
  // Where little room is left, what one pack gives back comes before the next one takes more.
  std::uint64_t bytes_max = bytes_a_call;
  if (!store.expect_room()) {
    TRY_ASSIGN(const bool is_owed, catalog.has_packs_to_remove());
    bytes_max = is_owed ? 0 : 1;
  }
  for (const auto& pack : packs_to_compact(sealed)) {
    if (done.bytes_moved >= bytes_max) break;
    TRY(compact(catalog, store, pack, done));
  }
  TRY(catalog.forget_packs(now - condemned_for));
  return done;
}

}  // namespace slipway::lifecycle
