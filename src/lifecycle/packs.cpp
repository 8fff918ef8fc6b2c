#include "lifecycle/packs.hpp"

#include "base/log.hpp"
#include "blob/pack_format.hpp"
#include "catalog/keep.hpp"

namespace slipway::lifecycle {
namespace {

constexpr std::size_t packs_looked_at = 64;
constexpr std::size_t small_packs_max = 8;  // more are put together
// What is copied at once. In a bucket that is the new pack, to which nothing is added later.
constexpr std::uint64_t bytes_at_once = 8U << 20;
constexpr std::size_t moves_at_once = 1000;  // while pushes wait
constexpr std::uint64_t bytes_a_call = 64U << 20;
// A commit that still means a pack we removed is refused as long as its row is there. None takes so long.
constexpr auto condemned_for = std::chrono::hours(24 * 7);

/// Packs with less are worth looking at. A full copy has more, or it would be copied again, and again.
std::uint64_t few_bytes(const blob::BlobStore& store) {
  return (store.is_remote() ? bytes_at_once : blob::pack_bytes_max) / 2;
}

Result<std::string> read_checked(blob::BlobStore& store, const catalog::PackedBlob& blob) {
  TRY_ASSIGN(const auto slice, store.open(blob.location, {0, blob.location.range.length}));
  std::string bytes(slice.range.length, '\0');
  TRY_ASSIGN(const auto n, read_some(slice, std::as_writable_bytes(std::span(bytes)), 0));
  if (n != bytes.size() || digest_of(as_bytes(bytes), blob.digest.algorithm()) != blob.digest)
    return fail(Failure::corrupt, blob.digest.text() + " is damaged in " + blob.location.key);
  return bytes;
}

/// Copies of blobs of many packs, on their way to a new one.
class Mover {
public:
  Mover(catalog::Catalog& catalog, blob::BlobStore& store, std::string store_id)
      : m_catalog(catalog), m_store(store), m_store_id(std::move(store_id)) {}

  /// Takes what is wanted of a pack, which is condemned once that has moved, unless something stays.
  Result<> empty(const std::string& pack);
  /// Moves what was taken.
  Result<> flush();
  const Compaction& done() const { return m_done; }

private:
  Result<> take(const std::vector<catalog::PackedBlob>& blobs);

  catalog::Catalog& m_catalog;
  blob::BlobStore& m_store;
  const std::string m_store_id;
  Compaction m_done;
  std::vector<catalog::PackedBlob> m_blobs;
  std::vector<std::string> m_bytes;  // of each
  std::uint64_t m_size = 0;          // of all
  std::vector<std::string> m_read;   // packs of which all has been taken
  std::size_t m_unreadable = 0;      // of the present pack
  std::string m_problem;
};

Result<> Mover::empty(const std::string& pack) {
  constexpr std::size_t page = 256;
  m_unreadable = 0;
  for (blob::LocationId after{};;) {
    TRY_ASSIGN(const auto blobs, m_catalog.blobs_in_pack(pack, after, page));
    if (blobs.empty()) break;
    after = blobs.back().location.id;
    TRY(take(blobs));
  }
  if (m_unreadable > 0)
    log::error("blobs cannot be moved to another pack; pushing them again heals them",
               {{"pack", pack}, {"blobs", m_unreadable}, {"first_error", m_problem}});
  else
    m_read.push_back(pack);
  return {};
}

Result<> Mover::take(const std::vector<catalog::PackedBlob>& blobs) {
  for (const auto& blob : blobs) {
    auto bytes = read_checked(m_store, blob);
    if (!bytes) {
      if (m_unreadable++ == 0) m_problem = bytes.error().message;
      continue;
    }
    m_size += bytes->size();
    ++m_done.blobs_moved;
    m_done.bytes_moved += bytes->size();
    m_blobs.push_back(blob);
    m_bytes.push_back(std::move(*bytes));
    if (m_size >= bytes_at_once) TRY(flush());
  }
  return {};
}

Result<> Mover::flush() {
  std::vector<blob::SmallBlob> copies;
  for (const auto& bytes : m_bytes) {
    TRY_ASSIGN(const auto id, m_catalog.next_location());
    copies.push_back({id, as_bytes(bytes)});
  }
  if (!copies.empty()) {
    TRY_ASSIGN(const auto locations, m_store.put_small(copies));
    std::vector<catalog::Move> moves;
    for (std::size_t i = 0; i < locations.size(); ++i) {
      moves.push_back({m_blobs[i].location.id, locations[i]});
      if (moves.size() == moves_at_once || i + 1 == locations.size())
        TRY(m_catalog.move_locations(std::exchange(moves, {}), m_store_id));
    }
  }
  m_blobs.clear();
  m_bytes.clear();
  m_size = 0;
  for (const auto& pack : std::exchange(m_read, {})) {
    TRY_ASSIGN(const auto condemned, m_catalog.condemn_pack(pack));
    if (condemned) ++m_done.emptied;
  }
  return {};
}

}  // namespace

std::vector<catalog::Pack> packs_to_compact(std::span<const SealedPack> packs) {
  std::vector<catalog::Pack> sparse;
  std::vector<catalog::Pack> small;
  for (const auto& [pack, size] : packs) {
    // Each blob has a header, and the pack one: else a single tiny blob would be moved for ever.
    const auto wanted = pack.bytes + (pack.blobs + 1) * blob::pack_header_bytes;
    auto& kind = pack.blobs == 0 || wanted < size / 2 ? sparse : small;
    kind.push_back(pack);
  }
  if (small.size() > small_packs_max) sparse.insert(sparse.end(), small.begin(), small.end());
  return sparse;
}

Result<Compaction> compact_packs(catalog::Catalog& catalog, blob::BlobStore& store, Timestamp now,
                                 const std::function<bool()>& goes_on) {
  TRY_ASSIGN(const auto candidates, catalog.packs_below(few_bytes(store), packs_looked_at));
  std::vector<SealedPack> sealed;
  for (const auto& pack : candidates) {
    if (!goes_on()) return Compaction();
    const auto size = store.sealed_size(pack.key);
    if (size && *size) sealed.push_back({pack, **size});
    // Announced, and never put; or lost when nothing in it was wanted any more.
    if (!size && size.error().failure == Failure::not_found && pack.blobs == 0) sealed.push_back({pack, 0});
  }
  TRY_ASSIGN(auto store_id, store.identity());
  Mover mover(catalog, store, std::move(store_id));
  // Where little room is left, what one pack gives back comes before the next one takes more.
  std::uint64_t bytes_max = bytes_a_call;
  if (!store.expect_room()) {
    TRY_ASSIGN(const bool is_owed, catalog.has_packs_to_remove());
    bytes_max = is_owed ? 0 : 1;
  }
  for (const auto& pack : packs_to_compact(sealed)) {
    if (!goes_on()) break;
    if (mover.done().bytes_moved >= bytes_max) break;
    TRY(mover.empty(pack.key));
  }
  TRY(mover.flush());
  TRY(catalog.forget_packs(now - condemned_for));
  return mover.done();
}

}  // namespace slipway::lifecycle
