#pragma once
// What an object store's XML says, and the XML that it is asked with. Pure; after the Amazon S3 API Reference. Elements
// that are not known are passed over, and it is all the same which name space they are in.

#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::s3 {

/// A refusal in the store's words.
struct Refusal {
  std::string code;  ///< "NoSuchKey"; empty where the answer has none
  std::string message;
  std::string region;  ///< where the bucket is, if this says so
};

struct Object {
  std::string key;
  std::uint64_t size = 0;  ///< bytes
};

/// One that was begun and neither finished nor aborted.
struct Multipart {
  std::string key;
  std::string upload_id;
};

struct Part {
  int number = 0;
  std::string etag;        ///< as the store said it, quotes included
  std::uint64_t size = 0;  ///< bytes
};

/// Keys that were lent.
struct RoleKeys {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
  std::string expiration;  ///< "2026-11-23T08:15:30Z", or with a fraction
};

/// A page of a listing, of which there are more where `next` is not empty.
template <typename Item>
struct Page {
  std::vector<Item> items;
  std::string next;         ///< where to go on: a token, a key or a part's number
  std::string next_upload;  ///< and after which upload of that key, for multiparts
};

constexpr std::size_t answer_bytes_max = 8U << 20;  ///< a page has at most 1,000 entries of a key each

// Each of these: Failure::io where the text is not the XML that it should be, too_large past answer_bytes_max.

/// What an `<Error>` says; nothing where the text is none. Never fails: a proxy may answer anything.
std::optional<Refusal> read_refusal(std::string_view text);
/// Of ListObjectsV2.
Result<Page<Object>> read_objects(std::string_view text);
/// Of ListObjectsV2 with a delimiter: the prefixes that it found instead of the keys that begin so.
Result<Page<std::string>> read_prefixes(std::string_view text);
/// Of ListMultipartUploads.
Result<Page<Multipart>> read_multiparts(std::string_view text);
/// Of ListParts.
Result<Page<Part>> read_parts(std::string_view text);
/// Of CreateMultipartUpload.
Result<std::string> read_upload_id(std::string_view text);
/// Of UploadPartCopy: the part's ETag.
Result<std::string> read_copied_part(std::string_view text);
/// Of the security token service's AssumeRoleWithWebIdentity.
Result<RoleKeys> read_role_keys(std::string_view text);
/// Of DeleteObjects: the first that could not be removed, if there is one. Absent ones count as removed.
Result<std::optional<Refusal>> read_removals(std::string_view text);

/// For CompleteMultipartUpload.
std::string completion_of(std::span<const Part> parts);
/// For DeleteObjects.
std::string removal_of(std::span<const std::string> keys);

}  // namespace slipway::s3
