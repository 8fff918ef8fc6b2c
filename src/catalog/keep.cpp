#include "catalog/keep.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace slipway::catalog {

/// The commit surely did not happen, so no row will ever know the bytes. After others it may have.
static bool is_final(Failure failure) {
  return failure == Failure::conflict || failure == Failure::read_only || failure == Failure::no_space;
}

Result<> check_bytes(const FileSlice& bytes, const Digest& digest, const std::function<Result<>(ByteView)>& each) {
  Hasher hasher(digest.algorithm());
  std::vector<std::byte> buffer(std::min<std::uint64_t>(1U << 20, bytes.range.length));
  for (std::uint64_t at = 0, there = 0; at < bytes.range.length;) {
    if (bytes.filling && at >= there) {  // fewer requests than pieces
      constexpr std::uint64_t stride = 8U << 20;
      there = std::min(at + stride, bytes.range.length);
      TRY(bytes.filling->fill({bytes.range.offset + at, there - at}));
    }
    const auto wanted = std::min<std::uint64_t>(buffer.size(), bytes.range.length - at);
    TRY_ASSIGN(const auto n, read_some(bytes, std::span(buffer).first(wanted), at));
    if (n == 0) return fail(Failure::corrupt, digest.text() + " became shorter");
    const auto piece = ByteView(buffer).first(n);
    hasher.update(piece);
    if (each) TRY(each(piece));
    at += n;
  }
  if (hasher.digest() != digest) return fail(Failure::corrupt, digest.text() + " has other bytes");
  return {};
}

bool is_whole(blob::BlobStore& store, const StoredBlob& blob, const Digest& digest) {
  if (blob.location.kind != blob::LocationKind::pack) return store.probe(blob.location).has_value();
  // A copy of this server's own is of no use to others.
  if (store.is_remote() && !store.probe(blob.location)) return false;
  const auto bytes = store.open(blob.location, {0, blob.size});
  return bytes && check_bytes(*bytes, digest);
}

Result<FileSlice> open_blob(blob::BlobStore& store, const StoredBlob& blob, ByteRange range,
                            const std::function<Result<StoredBlob>()>& look_again) {
  auto opened = store.open(blob.location, range);
  if (opened || opened.error().failure != Failure::not_found) return opened;
  const auto now = look_again();
  if (!now || now->id != blob.id || now->location.id == blob.location.id) return opened;
  return store.open(now->location, range);
}

Result<> remove_queued(Catalog& catalog, blob::BlobStore& store, const blob::Location& location) {
  TRY(store.remove(location));
  return catalog.forget_deletion(location.id);
}

void remove_all_queued(Catalog& catalog, blob::BlobStore& store, const std::vector<blob::Location>& locations) {
  if (store.removal_grace() > std::chrono::seconds(0)) return;
  for (const auto& location : locations)
    if (const auto gone = remove_queued(catalog, store, location); !gone && gone.error().failure != Failure::busy)
      log::warn("unwanted bytes stay until they are removed later", {{"error", gone.error().message}});
}

Result<> keep(Catalog& catalog, blob::BlobStore& store, blob::Intake& intake, const Digest& digest,
              const Entering& entering) {
  const auto known = catalog.find_blob_anywhere(digest);
  const bool lost = known && !is_whole(store, *known, digest);
  if (known && !lost) {
    const auto adopted = entering.adopt();
    if (adopted) {
      if (auto removed = intake.abandon(); !removed)
        log::warn("a finished upload's bytes stay behind", {{"error", removed.error().message}});
      return {};
    }
    if (adopted.error().failure != Failure::not_found) return adopted;  // gone since: ours are needed after all
  }
  if (lost) log::warn("a lost blob is healed by this push", {{"digest", digest.text()}});
  const auto digests = intake.digests();
  TRY_ASSIGN(const auto location, intake.finish());
  const auto kept = entering.commit(digests, location, lost);
  if (!kept) {
    // Else the session goes on from what it has, or leaves it to the janitor.
    if (is_final(kept.error().failure) && !intake.was_suspended() && !store.is_remote())
      if (auto removed = store.remove(blob::Intake::unfinished(location.id, {})); !removed)
        log::warn("refused bytes stay behind", {{"error", removed.error().message}});
    return std::unexpected(kept.error());
  }
  if (kept->location.id == location.id) return {};
  // Another push of the same content was faster: ours is in the deletion queue already, or a hole in its pack.
  if (location.kind == blob::LocationKind::raw) remove_all_queued(catalog, store, {location});
  return {};
}

}  // namespace slipway::catalog
