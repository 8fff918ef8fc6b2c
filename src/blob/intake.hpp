#pragma once
// An upload that knows the digests of what passed: hashes beside a store's Upload, and a token that carries both. What
// is small stays in memory, and in the token, until it is finished into a pack: it never is a file of its own.

#include "base/digest.hpp"
#include "blob/small_bytes.hpp"

#include <vector>

namespace slipway::blob {

/// One thread at a time.
class Intake {
public:
  using Room = std::optional<SmallBytes>;

  /// `announced`: the algorithms to compute while streaming; SHA-256 always is. Without room everything goes to the
  /// store at once.
  static Result<Intake> begin(BlobStore& store, LocationId id, bool resumable, std::vector<Algorithm> announced = {},
                              Room room = SmallBytes::take_room());
  /// From a token of suspend(). Failure::corrupt where token and bytes do not belong together.
  static Result<Intake> resume(BlobStore& store, LocationId id, const ResumeToken& token,
                               Predecessor predecessor = Predecessor::gone, Room room = SmallBytes::take_room());
  /// What an upload has left, to be removed: one that was begun for `id`, and last suspended with `token`, if at all.
  static Location unfinished(LocationId id, const ResumeToken& token);
  /// True if the token itself has all bytes so far: the store has none.
  static bool holds_bytes(const ResumeToken& token);

  std::uint64_t position() const { return m_upload ? m_upload->position() : m_small->view().size(); }
  /// Failure::no_space where the store has no room, or wants to keep what it has.
  Result<> write(ByteView bytes);
  /// Durable so far, once the token is; a token to resume from, at most small_bytes_max and 4 KiB large.
  Result<ResumeToken> suspend();

  /// The digest of all bytes by `algorithm`; reads them once more if it was not announced.
  Result<Digest> digest(Algorithm algorithm);
  /// Somebody may have a token to go on from.
  bool was_suspended() const { return m_was_suspended; }

  /// Digests known without reading again.
  std::vector<Digest> digests() const;

  Result<Location> finish();
  Result<> abandon() { return m_upload ? m_upload->abandon() : Result<>(); }

private:
  Intake(BlobStore& store, LocationId id, bool resumable, std::vector<Hasher> hashers, Room room)
      : m_store(&store), m_id(id), m_resumable(resumable), m_hashers(std::move(hashers)), m_small(std::move(room)) {}

  Result<> hold(ByteView bytes);
  Result<std::size_t> read(std::span<std::byte> out, std::uint64_t offset);

  BlobStore* m_store;
  LocationId m_id;
  bool m_resumable;
  std::vector<Hasher> m_hashers;
  Room m_small;                      // until there is an upload
  std::unique_ptr<Upload> m_upload;  // once it is not small, or memory is short
  bool m_was_suspended = false;
};

}  // namespace slipway::blob
