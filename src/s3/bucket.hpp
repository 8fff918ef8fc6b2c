#pragma once
// One bucket of an object store: the few operations that a store of blobs needs. After the Amazon S3 API Reference;
// what others (Ceph, MinIO, Garage) do otherwise is said where it matters.

#include "s3/requests.hpp"

#include <span>

namespace slipway::s3 {

struct BegunMultipart {
  std::string upload_id;
  bool may_be_second = false;  ///< an answer was lost: there may be another upload for this key, whose id nobody knows
};

/// Each call blocks until it is done, or known not to be, and has the same effect once or several times. Failures:
/// - not_found: the object, or the upload, is not there
/// - unavailable: the store does not answer; or it does not take the key, signature, clock, permission, bucket or
/// region,
///   and the message says which, and what to do
/// - no_space: it is full; io: it answers what makes no sense
/// Safe to call from any thread.
class Bucket {
public:
  Bucket(BucketOptions options, Keyring& keyring, const Clock& clock);

  Result<> put(const std::string& key, const Content& content);
  /// conflict where there is an object already, if the store knows the condition; others replace it.
  Result<> create(const std::string& key, const Content& content);
  /// A part of an object, in pieces as they come; each byte once, though it may take several requests. corrupt where
  /// the object is shorter. A failure of the sink ends it, and is returned.
  Result<> get(const std::string& key, ByteRange range, const std::function<Result<>(ByteView)>& sink);
  /// All of a small object; too_large past `size_max`.
  Result<std::string> read(const std::string& key, std::size_t size_max);
  /// Its size.
  Result<std::uint64_t> head(const std::string& key);
  /// Removing absent ones succeeds. Of several: where it fails, some may be gone.
  Result<> remove(const std::string& key);
  Result<> remove(std::span<const std::string> keys);
  /// Every object whose key begins so, and comes after `after`, in byte order. For checks: it costs a request for every
  /// thousand.
  Result<> list(const std::string& prefix, const std::function<void(const Object&)>& each,
                const std::string& after = {});
  /// What stands between `prefix` and the next slash, once, of all keys that begin so and have one; in byte order, a
  /// page at a time. An error of `each` ends it.
  Result<> list_folders(const std::string& prefix, const std::function<Result<>(const std::string& name)>& each);
  /// No object's key begins so. One request, however many do.
  Result<bool> is_empty(const std::string& prefix);

  Result<BegunMultipart> begin_multipart(const std::string& key);
  /// All but the last have at least 5 MiB and at most 5 GiB; numbers are 1 to 10,000. Putting a number again replaces
  /// it.
  Result<Part> put_part(const std::string& key, const std::string& upload_id, int number, const Content& content);
  /// As a part, bytes of an object of this bucket, which do not pass through here.
  Result<Part> copy_part(const std::string& key, const std::string& upload_id, int number, const std::string& from,
                         ByteRange range);
  /// Makes an object of these parts, in order of their numbers. They are all that were put: AWS would drop others, Ceph
  /// refuses to. not_found where the upload is unknown, as after somebody else has finished or aborted it (Ceph says
  /// 500 then, which makes it unavailable); conflict where the parts are others.
  Result<> finish_multipart(const std::string& key, const std::string& upload_id, std::span<const Part> parts);
  /// Aborting one that is not there succeeds.
  Result<> abort_multipart(const std::string& key, const std::string& upload_id);
  Result<std::vector<Part>> list_parts(const std::string& key, const std::string& upload_id);
  /// All that were begun for keys that begin so.
  Result<> list_multiparts(const std::string& prefix, const std::function<void(const Multipart&)>& each);

  /// A URL by which anybody may GET or HEAD an object for that long, a week at most.
  Result<std::string> presigned_url(const std::string& method, const std::string& key, std::chrono::seconds lifetime) {
    return m_requests.presigned_url(method, key, lifetime);
  }

private:
  Requests m_requests;
};

}  // namespace slipway::s3
