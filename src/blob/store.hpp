#pragma once
// Where bytes lie. A BlobStore keeps immutable bytes under location ids that are never reused; it knows no digests and
// no names, so a re-push can never meet the removal of its predecessor. What a location holds, and whether anybody may
// read it, is the catalog's knowledge.

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::blob {

/// Reserved by the catalog in ranges, used at most once.
enum class LocationId : std::uint64_t {};
constexpr std::uint64_t number_of(LocationId id) { return static_cast<std::uint64_t>(id); }

/// How a location's bytes are kept. The numbers are stored in the catalog: never renumber. Recipes come later.
enum class LocationKind : std::uint8_t {
  raw = 1,        ///< an object of its own
  upload = 2,     ///< an upload that ended without a blob; only to be removed
  pack = 3,       ///< within an object that holds many
  old_pack = 4,   ///< such an object, whose bytes are all unwanted or elsewhere; only to be removed
  leftovers = 5,  ///< what an upload used on its way; only to be removed
};

/// Finished bytes, as the catalog remembers them.
struct Location {
  LocationId id{};
  LocationKind kind = LocationKind::raw;
  std::string key;  ///< the store's own name for the object that holds them; of an upload: its token
  ByteRange range;  ///< where in it
  /// Of bytes that were just finished: what the upload used on its way, to be removed as the key of a location of kind
  /// leftovers once the catalog knows these; empty: nothing.
  std::string leftovers = {};
};

/// What an interrupted upload needs to go on, in this process or another; opaque to all but the store that made it.
/// At most 4 KiB.
using ResumeToken = std::string;

/// Whether whoever had an upload before may still be at it.
enum class Predecessor { gone, maybe_there };

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
  /// Removes everything written; what was suspended may stay until remove(), which whoever has a token must call some
  /// day. Nothing may be called afterwards.
  virtual Result<> abandon() = 0;
};

/// Bytes that are worth no object of their own.
struct SmallBlob {
  LocationId id{};
  ByteView bytes;  ///< at most small_bytes_max
};
constexpr std::size_t small_bytes_max = 64U << 10;

/// Where no more is put into an object of small blobs.
constexpr std::uint64_t pack_bytes_max = 32U << 20;

struct Space {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
};

/// Safe to call from any thread.
class BlobStore {
public:
  virtual ~BlobStore() = default;

  /// Other machines have the bytes: each look at them is a request that takes its time, and what a process was doing
  /// when it died stays until somebody removes it.
  virtual bool is_remote() const { return false; }

  /// A part of a location's bytes, ready to be sent. Failure::not_found where the bytes are gone; corrupt where they
  /// are shorter than the location says. What is large may be found out when the slice is filled.
  virtual Result<FileSlice> open(const Location& location, ByteRange range) = 0;
  /// Fails as open() does where the bytes are not there, as far as can be told without reading them.
  virtual Result<> probe(const Location& location) {
    TRY(open(location, {0, location.range.length}));
    return {};
  }
  /// Where anybody may read a location's bytes for a while, parts of them too, without going through here; nothing
  /// where they had better.
  virtual Result<std::optional<std::string>> url(const Location&) { return std::nullopt; }

  /// Begins an upload whose bytes will be location `id`, in one request (`resumable` false: no suspend()) or several.
  virtual Result<std::unique_ptr<Upload>> begin(LocationId id, bool resumable) = 0;
  /// Goes on from a token; bytes written after it was made are dropped. So too after a finish() that nobody heard of,
  /// because the server died or the catalog refused it: the caller knows that no row has the location.
  virtual Result<std::unique_ptr<Upload>> resume(LocationId id, const ResumeToken& token, Predecessor predecessor) = 0;

  /// For a copy of another store, in which the same catalog is to find the same bytes: an upload, in one go, whose
  /// bytes will be that location (kind raw) or that whole pack (old_pack), in the place of what is there under its
  /// name. The location may have been named by a store of another kind.
  virtual Result<std::unique_ptr<Upload>> begin_copy(const Location& location) = 0;

  /// From now on hears the name of each pack that is an object of its own before it is put; an error is the put's. So
  /// that somebody knows of it whatever becomes of this process. Before anybody else uses the store.
  virtual void announce_packs(std::function<Result<>(const std::string& pack)>) {}

  /// Puts small blobs, durably; several calls at once may share one flush. Where it fails, none of them is there.
  virtual Result<std::vector<Location>> put_small(std::span<const SmallBlob> blobs) = 0;
  /// The size of a pack to which nothing is added any more; nothing while something may be.
  virtual Result<std::optional<std::uint64_t>> sealed_size(const std::string& pack) = 0;

  /// Removes a location's bytes, durably; removing absent ones succeeds. Of an upload: whatever there is of it,
  /// finished bytes included, for the caller knows that no row has them. Bytes in a pack stay until the pack goes.
  virtual Result<> remove(const Location& location) = 0;
  /// How long bytes that nobody wants any more must stay, for those who are still reading them.
  virtual std::chrono::seconds removal_grace() const { return std::chrono::seconds(0); }

  /// The store's own identity, made with it: the catalog holds it too, and a mismatch refuses writes.
  virtual Result<std::string> identity() = 0;
  /// Nothing was ever finished here, or all of it is gone.
  virtual Result<bool> is_empty() = 0;
  /// The highest id of a location or upload that has an object of its own, if it is `from` or more; else 0, or any
  /// lower one. Cheap where there is none from there on.
  virtual Result<LocationId> highest(LocationId from) = 0;
  /// True if there is a finished object of this id, or may be.
  virtual bool is_finished(LocationId id) = 0;
  virtual Result<Space> space() = 0;
  /// Failure::no_space where new content should be refused although some would still fit: deletions, the catalog and
  /// the moves of what is kept need room of their own, or a full store could never be emptied. Cheap: asked for every
  /// piece of a body.
  virtual Result<> expect_room() { return {}; }
  /// Every object, in no order: a raw location, an upload that is not finished, or a pack (as old_pack, id 0), its
  /// range all of it. Slow: for checks, never on the way of a request.
  virtual Result<> list(const std::function<void(const Location& object)>& each) = 0;
};

}  // namespace slipway::blob
