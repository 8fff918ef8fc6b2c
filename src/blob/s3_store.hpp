#pragma once
// Bytes in a bucket of an object store. What is uploaded goes straight to where it stays: nothing is copied when it is
// finished, nothing marks what is half there, and nothing is listed to find anything.
//
//   <prefix>store.id                        the store's identity
//   <prefix>raw/<id>.<8 random>             a location; 16 hexadecimal digits of its id
//   <prefix>packs/<16 random>               small blobs that came together; as in packs.hpp, but finished at once
//   <prefix>raw/<id>.copied                 one that a store of files had named
//   <prefix>uploads/<id>.<8 random>         what a suspended upload has that is too short for a part
//   <prefix>copy.id                         in the place of store.id: a copy that is not finished; copy_mark.hpp
//
// An upload that goes on where another may still be at it has a key of its own: whoever was taken for dead and is not
// can finish what nobody will name, but cannot spoil what somebody else finishes. What a token names is removed only
// once a later one, or the location, is known to the catalog.

#include "blob/read_cache.hpp"
#include "blob/store.hpp"
#include "s3/bucket.hpp"

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

namespace slipway::blob {

/// Which blobs clients are sent to the bucket for.
enum class Redirect { never, large, always };

struct S3StoreOptions {
  std::string prefix;             ///< of every key; "" or with a slash at its end
  std::filesystem::path spool;    ///< a directory on a disk: where a part waits until it is whole, and copies are kept
  std::uint64_t cache_bytes = 0;  ///< of copies that are kept for the next reader; see read_cache.hpp
  Redirect redirect = Redirect::never;
  std::uint64_t large_bytes = 1U << 20;                ///< what is large, for `redirect`
  std::chrono::seconds url_lifetime{20 * 60};          ///< a request begun within it may still be answered to its end
  std::chrono::seconds longest_transfer{4 * 60 * 60};  ///< how long bytes that nobody wants wait for those reading them
  /// Of the first 1,000 parts, then twice as much for each 1,000 more: 10,000 make more than 5 TiB. At least 5 MiB.
  std::uint64_t part_bytes = 8U << 20;
};

/// Safe to call from any thread. The bucket outlives it.
class S3Store final : public BlobStore {
public:
  /// A store that may be new. Failure::invalid where the prefix holds something else.
  static Result<std::unique_ptr<S3Store>> open(s3::Bucket& bucket, S3StoreOptions options);
  /// Nothing is made: not_found where the prefix is empty.
  static Result<std::unique_ptr<S3Store>> open_existing(s3::Bucket& bucket, S3StoreOptions options);
  /// One that is being made a copy of another, and has no identity yet.
  static Result<std::unique_ptr<S3Store>> open_copy(s3::Bucket& bucket, S3StoreOptions options);
  /// Takes from such a copy what a killed one left half done, which no row will ever name: all multiparts.
  Result<> discard_unfinished();

  bool is_remote() const override { return true; }
  /// By way of the cache. Small blobs are there when it returns, for their packs may be removed at any moment.
  Result<FileSlice> open(const Location& location, ByteRange range) override;
  Result<> probe(const Location& location) override;
  Result<std::optional<std::string>> url(const Location& location) override;
  Result<std::unique_ptr<Upload>> begin(LocationId id, bool resumable) override;
  Result<std::unique_ptr<Upload>> resume(LocationId id, const ResumeToken& token, Predecessor predecessor) override;
  Result<std::unique_ptr<Upload>> begin_copy(const Location& location) override;
  void announce_packs(std::function<Result<>(const std::string& pack)> announce) override {
    m_announce = std::move(announce);
  }
  Result<std::vector<Location>> put_small(std::span<const SmallBlob> blobs) override;
  Result<std::optional<std::uint64_t>> sealed_size(const std::string& pack) override;
  Result<> remove(const Location& location) override;
  std::chrono::seconds removal_grace() const override { return m_options.url_lifetime + m_options.longest_transfer; }
  Result<std::string> identity() override { return m_identity; }
  Result<bool> is_empty() override;
  Result<LocationId> highest(LocationId from) override;
  bool is_finished(LocationId id) override;
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
  static Result<std::unique_ptr<S3Store>> open_without_identity(s3::Bucket& bucket, S3StoreOptions options);
  Result<> find_identity(bool make);
  Result<std::shared_ptr<const Fd>> spool_file();
  Result<> remove_upload(LocationId id, const std::string& kept = {});
  /// Among leftovers: whatever there is of a location but for that key, to be found by a listing.
  static std::string all_but(LocationId id, const std::string& kept);
  Result<> remove_keys(std::span<const std::string> keys);
  void put_pack(std::span<Waiting* const> batch);
  std::string path_of(const std::string& key) const { return m_options.prefix + key; }
  std::string path_of(const Location& location) const;

  s3::Bucket& m_bucket;
  const S3StoreOptions m_options;
  std::string m_identity;
  std::unique_ptr<ReadCache> m_cache;
  std::function<Result<>(const std::string& pack)> m_announce;

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_turn;
  std::deque<Waiting*> m_waiting;
  int m_writing = 0;  // callers that put a pack for those who wait
};

}  // namespace slipway::blob
