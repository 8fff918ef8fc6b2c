#pragma once
// Bytes in a bucket of an object store. What is uploaded goes straight to where it stays: nothing is copied when it is
// finished, nothing marks what is half there, and nothing is listed to find anything.
//
//   <prefix>store.id                        the store's identity
//   <prefix>raw/<id>.<8 random>             a location; 16 hexadecimal digits of its id
//   <prefix>packs/<16 random>               small blobs that came together; as in packs.hpp, but finished at once
//   <prefix>uploads/<id>.<8 random>         what a suspended upload has that is too short for a part
//
// An upload that goes on where another may still be at it has a key of its own: whoever was taken for dead and is not
// can finish what nobody will name, but cannot spoil what somebody else finishes. What a token names is removed only
// once a later one, or the location, is known to the catalog.

#include "blob/store.hpp"
#include "s3/bucket.hpp"

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

namespace slipway::blob {

struct S3StoreOptions {
  std::string prefix;           ///< of every key; "" or with a slash at its end
  std::filesystem::path spool;  ///< where a part waits until it is whole; on a disk
  /// Of the first 1,000 parts, then twice as much for each 1,000 more: 10,000 make more than 5 TiB. At least 5 MiB.
  std::uint64_t part_bytes = 8U << 20;
};

/// Whether whoever had an upload before may still be at it.
enum class Predecessor { gone, maybe_there };

/// Safe to call from any thread. The bucket outlives it.
class S3Store final : public BlobStore {
public:
  /// A store that may be new. Failure::invalid where the prefix holds something else.
  static Result<std::unique_ptr<S3Store>> open(s3::Bucket& bucket, S3StoreOptions options);

  /// By way of the spool: all of the range is there before it returns.
  Result<FileSlice> open(const Location& location, ByteRange range) override;
  Result<std::unique_ptr<Upload>> begin(LocationId id, bool resumable) override;
  Result<std::unique_ptr<Upload>> resume(LocationId id, const ResumeToken& token) override {
    return resume(id, token, Predecessor::gone);
  }
  Result<std::unique_ptr<Upload>> resume(LocationId id, const ResumeToken& token, Predecessor predecessor);
  Result<std::vector<Location>> put_small(std::span<const SmallBlob> blobs) override;
  Result<std::optional<std::uint64_t>> sealed_size(const std::string& pack) override;
  Result<> remove(const Location& location) override;
  /// What S3Upload::leftovers() named, once the catalog knows the location.
  Result<> remove_leftovers(std::span<const std::string> keys);
  Result<std::string> identity() override { return m_identity; }
  /// Of the spool: the bucket does not tell.
  Result<Space> space() override;
  Result<> list(const std::function<void(const Location& object)>& each) override;

private:
  friend class S3Upload;
  /// One call of put_small().
  struct Waiting {
    std::span<const SmallBlob> blobs;
    Result<std::vector<Location>> result;
    bool done = false;
  };

  S3Store(s3::Bucket& bucket, S3StoreOptions options) : m_bucket(bucket), m_options(std::move(options)) {}
  Result<> find_identity();
  Result<std::shared_ptr<const Fd>> spool_file();
  Result<> remove_upload(LocationId id);
  void put_pack(std::span<Waiting* const> batch);
  std::string path_of(const std::string& key) const { return m_options.prefix + key; }

  s3::Bucket& m_bucket;
  const S3StoreOptions m_options;
  std::string m_identity;

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_turn;
  std::deque<Waiting*> m_waiting;
  int m_writing = 0;  // callers that put a pack for those who wait
};

}  // namespace slipway::blob
