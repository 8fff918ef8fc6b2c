#pragma once
// Where bytes lie. A BlobStore keeps immutable bytes under location ids that are never reused; it knows no digests and
// no names, so a re-push can never meet the removal of its predecessor. What a location holds, and whether anybody may
// read it, is the catalog's knowledge.

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace slipway::blob {

/// Reserved by the catalog in ranges, used at most once.
enum class LocationId : std::uint64_t {};
constexpr std::uint64_t number_of(LocationId id) { return static_cast<std::uint64_t>(id); }

/// How a location's bytes are kept. The numbers are stored in the catalog: never renumber. Packs and recipes come
/// later. `upload`: the bytes of an upload that ended without a blob; only to be removed.
enum class LocationKind : std::uint8_t { raw = 1, upload = 2 };

/// Finished bytes, as the catalog remembers them.
struct Location {
  LocationId id{};
  LocationKind kind = LocationKind::raw;
  std::string key;  ///< the store's own name for the object that holds them; of an upload: its token
  ByteRange range;  ///< where in it
};

/// What an interrupted upload needs to go on, in this process or another; opaque to all but the store that made it.
/// At most 4 KiB.
using ResumeToken = std::string;

/// Bytes on their way in. Nothing is readable until finish(). One thread at a time. Destroyed without finish() or
/// suspend(): what was never suspended is removed; what was goes back to its last suspension.
class Upload {
public:
  virtual ~Upload() = default;
  /// Bytes received so far.
  virtual std::uint64_t position() const = 0;
  virtual Result<> write(ByteView bytes) = 0;
  /// Makes everything so far durable and returns a token to go on from here after any crash.
  virtual Result<ResumeToken> suspend() = 0;
  /// What has been written, for digests that nobody announced; any order, any number of times.
  virtual Result<std::size_t> read(std::span<std::byte> out, std::uint64_t offset) = 0;
  /// Makes the bytes durable and readable. Nothing may be called afterwards.
  virtual Result<Location> finish() = 0;
  /// Removes everything written. Nothing may be called afterwards.
  virtual Result<> abandon() = 0;
};

struct Space {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
};

/// Safe to call from any thread.
class BlobStore {
public:
  virtual ~BlobStore() = default;

  /// A part of a location's bytes, ready to be sent. Failure::not_found where the bytes are gone; corrupt where they
  /// are shorter than the location says.
  virtual Result<FileSlice> open(const Location& location, ByteRange range) = 0;

  /// Begins an upload whose bytes will be location `id`, in one request (`resumable` false: no suspend()) or several.
  virtual Result<std::unique_ptr<Upload>> begin(LocationId id, bool resumable) = 0;
  /// Goes on from a token; bytes written after it was made are dropped. So too after a finish() that nobody heard of,
  /// because the server died or the catalog refused it: the caller knows that no row has the location.
  virtual Result<std::unique_ptr<Upload>> resume(LocationId id, const ResumeToken& token) = 0;

  /// Removes a location's bytes, durably; removing absent ones succeeds. Of an upload: whatever there is of it,
  /// finished bytes included, for the caller knows that no row has them.
  virtual Result<> remove(const Location& location) = 0;

  /// The store's own identity, made with it: the catalog holds it too, and a mismatch refuses writes.
  virtual Result<std::string> identity() = 0;
  virtual Result<Space> space() = 0;
  /// Every finished location with its size, in no order. Slow: for checks, never on the way of a request.
  virtual Result<> list(const std::function<void(LocationId, std::uint64_t size)>& each) = 0;
};

}  // namespace slipway::blob
