#pragma once
// An upload that knows the digests of what passed: hashes beside a store's Upload, and a token that carries both.

#include "base/digest.hpp"
#include "blob/store.hpp"

#include <vector>

namespace slipway::blob {

/// One thread at a time.
class Intake {
public:
  /// `announced`: the algorithms to compute while streaming; SHA-256 always is.
  static Result<Intake> begin(BlobStore& store, LocationId id, bool resumable, std::vector<Algorithm> announced = {});
  /// From a token of suspend(). Failure::corrupt where token and bytes do not belong together.
  static Result<Intake> resume(BlobStore& store, LocationId id, const ResumeToken& token);
  /// What an upload has left, to be removed: one that was begun for `id`, and last suspended with `token`, if at all.
  static Location unfinished(LocationId id, const ResumeToken& token);

  std::uint64_t position() const { return m_upload->position(); }
  Result<> write(ByteView bytes);
  /// Durable so far; a token to resume from.
  Result<ResumeToken> suspend();

  /// The digest of all bytes by `algorithm`; reads them once more if it was not announced.
  Result<Digest> digest(Algorithm algorithm);
  /// Somebody may have a token to go on from.
  bool was_suspended() const { return m_was_suspended; }

  /// Digests known without reading again.
  std::vector<Digest> digests() const;

  Result<Location> finish() { return m_upload->finish(); }
  Result<> abandon() { return m_upload->abandon(); }

private:
  Intake(std::unique_ptr<Upload> upload, std::vector<Hasher> hashers)
      : m_upload(std::move(upload)), m_hashers(std::move(hashers)) {}

  std::unique_ptr<Upload> m_upload;
  std::vector<Hasher> m_hashers;
  bool m_was_suspended = false;
};

}  // namespace slipway::blob
