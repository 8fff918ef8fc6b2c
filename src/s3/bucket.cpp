#include "s3/bucket.hpp"

#include "base/digest.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace slipway::s3 {
namespace {

constexpr std::size_t removals_max = 1000;  // of one request

Content content_of(const std::string& text) { return {as_bytes(text), to_hex(digest_of(as_bytes(text)).value())}; }

/// What DeleteObjects has to be sent with; all stores still take MD5, and not all take another one.
std::string content_md5(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  std::size_t size = 0;
  SLIPWAY_INVARIANT(EVP_Q_digest(nullptr, "MD5", nullptr, text.data(), text.size(), digest.data(), &size) == 1);
  std::array<unsigned char, 32> base64{};
  const auto length = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(size));
  return "Content-MD5: " + std::string(base64.begin(), base64.begin() + length);
}

/// For those that cannot fail.
template <typename Item>
auto always(const std::function<void(const Item&)>& each) {
  return [&each](const Item& item) -> Result<> {
    each(item);
    return {};
  };
}

/// Every page of a listing: `read` of what a request with the query of the page before answered. An error of `each`
/// ends it.
template <typename Item>
Result<> each_page(Requests& requests, Call call, const std::function<Result<Page<Item>>(std::string_view)>& read,
                   const std::function<Result<>(const Item&)>& each,
                   const std::function<void(Fields& query, const Page<Item>&)>& go_on) {
  const auto first = call.query;
  for (;;) {
    TRY_ASSIGN(const auto answer, requests.make(call));
    TRY_ASSIGN(const auto page, read(answer.body));
    for (const auto& item : page.items) TRY(each(item));
    if (page.next.empty()) return {};
    auto query = first;
    go_on(query, page);
    if (query == call.query) return fail(Failure::io, "the store's listing does not go on");
    call.query = std::move(query);
  }
}

}  // namespace

Bucket::Bucket(BucketOptions options, Keyring& keyring, const Clock& clock)
    : m_requests(std::move(options), keyring, clock) {}

// ---- objects

Result<> Bucket::put(const std::string& key, const Content& content) {
  TRY(m_requests.make(
      {.method = "PUT", .key = key, .content = content, .amz_headers = m_requests.options().new_object_headers}));
  return {};
}

Result<> Bucket::create(const std::string& key, const Content& content) {
  TRY(m_requests.make({.method = "PUT",
                       .key = key,
                       .content = content,
                       .amz_headers = m_requests.options().new_object_headers,
                       .headers = {"If-None-Match: *"}}));
  return {};
}

Result<> Bucket::get(const std::string& key, ByteRange range, const std::function<Result<>(ByteView)>& sink) {
  const auto is_shorter = [&] { return fail(Failure::corrupt, key + " is shorter than it should be"); };
  if (range.length == 0) {
    TRY_ASSIGN(const auto size, head(key));
    return size < range.offset ? Result<>(is_shorter()) : Result<>();
  }
  constexpr int breaks_max = 20;  // of connections that brought something
  int breaks = 0;
  std::uint64_t received = 0;
  std::uint64_t before = 0;  // what the request under way goes on from
  bool is_refused = false;
  Call call{.method = "GET", .key = key, .status = 206};
  call.sink = [&](ByteView piece) -> Result<> {
    received += piece.size();
    auto taken =
        received <= range.length ? sink(piece) : fail(Failure::io, "the store answers more than was asked for");
    is_refused = !taken;
    return taken;
  };
  // What came before a connection broke is not asked for again.
  call.is_worth_another = [&] { return !is_refused && received == before; };
  while (received < range.length) {
    before = received;
    call.headers = {fmt::format("Range: bytes={}-{}", range.offset + received, range.offset + range.length - 1)};
    const auto answer = m_requests.make(call);
    if (answer && received < range.length) return is_shorter();
    if (answer) break;
    if (answer.error().failure == Failure::out_of_range) return is_shorter();
    if (is_refused || received == before || ++breaks > breaks_max) return std::unexpected(answer.error());
  }
  return {};
}

Result<std::string> Bucket::read(const std::string& key, std::size_t size_max) {
  std::string out;
  Call call{.method = "GET", .key = key};
  call.sink = [&](ByteView piece) -> Result<> {
    if (piece.size() > size_max - out.size())
      return fail(Failure::too_large, fmt::format("{} is larger than {}", key, human_size(size_max)));
    out.append(as_text(piece));
    return {};
  };
  call.on_again = [&] { out.clear(); };
  TRY(m_requests.make(call));
  return out;
}

Result<std::uint64_t> Bucket::head(const std::string& key) {
  TRY_ASSIGN(const auto answer, m_requests.make({.method = "HEAD", .key = key}));
  const auto text = answer.headers.get("Content-Length");
  std::uint64_t size = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (bad != std::errc() || end != text.data() + text.size() || text.empty())
    return fail(Failure::io, "HEAD " + key + ": the store does not tell its size");
  return size;
}

Result<> Bucket::remove(const std::string& key) {
  const auto answer = m_requests.make({.method = "DELETE", .key = key, .status = 204});
  if (answer || answer.error().failure == Failure::not_found) return {};
  return std::unexpected(answer.error());
}

Result<> Bucket::remove(std::span<const std::string> keys) {
  while (!keys.empty()) {
    const auto batch = keys.first(std::min(keys.size(), removals_max));
    keys = keys.subspan(batch.size());
    const auto text = removal_of(batch);
    TRY_ASSIGN(const auto answer, m_requests.make({.method = "POST",
                                                   .query = {{"delete", ""}},
                                                   .content = content_of(text),
                                                   .headers = {content_md5(text), "Content-Type: application/xml"}}));
    TRY_ASSIGN(const auto refusal, read_removals(answer.body));
    if (refusal) return std::unexpected(explain(m_requests.options(), 200, *refusal));
  }
  return {};
}

Result<> Bucket::list(const std::string& prefix, const std::function<void(const Object&)>& each,
                      const std::string& after) {
  Fields query{{"list-type", "2"}, {"prefix", prefix}};
  if (!after.empty()) query.emplace_back("start-after", after);
  return each_page<Object>(m_requests, {.method = "GET", .query = std::move(query)}, read_objects, always(each),
                           [](Fields& next, const auto& page) { next.emplace_back("continuation-token", page.next); });
}

Result<> Bucket::list_folders(const std::string& prefix, const std::function<Result<>(const std::string& name)>& each) {
  return each_page<std::string>(
      m_requests, {.method = "GET", .query = {{"delimiter", "/"}, {"list-type", "2"}, {"prefix", prefix}}},
      read_prefixes,
      [&](const std::string& found) -> Result<> {
        if (found.size() <= prefix.size() || !found.starts_with(prefix) || !found.ends_with('/'))
          return fail(Failure::io, "the store lists '" + found.substr(0, 300) + "', which was not asked for");
        return each(found.substr(prefix.size(), found.size() - prefix.size() - 1));
      },
      [](Fields& next, const auto& page) { next.emplace_back("continuation-token", page.next); });
}

Result<bool> Bucket::is_empty(const std::string& prefix) {
  TRY_ASSIGN(const auto answer,
             m_requests.make({.method = "GET", .query = {{"list-type", "2"}, {"prefix", prefix}, {"max-keys", "1"}}}));
  TRY_ASSIGN(const auto page, read_objects(answer.body));
  return page.items.empty();
}

// ---- uploads in parts

Result<BegunMultipart> Bucket::begin_multipart(const std::string& key) {
  BegunMultipart out;
  TRY_ASSIGN(const auto answer, m_requests.make({.method = "POST",
                                                 .key = key,
                                                 .query = {{"uploads", ""}},
                                                 .amz_headers = m_requests.options().new_object_headers,
                                                 .on_again = [&] { out.may_be_second = true; }}));
  TRY_ASSIGN(out.upload_id, read_upload_id(answer.body));
  out.may_be_second = out.may_be_second || answer.maybe_sent_twice;
  return out;
}

Result<Part> Bucket::put_part(const std::string& key, const std::string& upload_id, int number,
                              const Content& content) {
  const auto size = std::visit(
      [](const auto& bytes) -> std::uint64_t {
        if constexpr (std::is_same_v<decltype(bytes), const FileSlice&>)
          return bytes.range.length;
        else
          return bytes.size();
      },
      content.bytes);
  TRY_ASSIGN(const auto answer,
             m_requests.make({.method = "PUT",
                              .key = key,
                              .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}},
                              .content = content}));
  auto etag = std::string(answer.headers.get("ETag"));
  if (etag.empty()) return fail(Failure::io, "PUT " + key + ": the store does not tell the part's ETag");
  return Part{number, std::move(etag), size};
}

Result<Part> Bucket::copy_part(const std::string& key, const std::string& upload_id, int number,
                               const std::string& from, ByteRange range) {
  const auto source = http::percent_encode(m_requests.options().bucket) + "/" + http::percent_encode(from);
  const auto bytes = fmt::format("bytes={}-{}", range.offset, range.offset + range.length - 1);
  TRY_ASSIGN(const auto answer,
             m_requests.make({.method = "PUT",
                              .key = key,
                              .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}},
                              .amz_headers = {{"x-amz-copy-source", source}, {"x-amz-copy-source-range", bytes}}}));
  TRY_ASSIGN(auto etag, read_copied_part(answer.body));
  return Part{number, std::move(etag), range.length};
}

Result<> Bucket::finish_multipart(const std::string& key, const std::string& upload_id, std::span<const Part> parts) {
  const auto text = completion_of(parts);
  const auto answer =
      m_requests.make({.method = "POST", .key = key, .query = {{"uploadId", upload_id}}, .content = content_of(text)});
  if (answer) return {};
  const auto failure = answer.error().failure;
  if (failure != Failure::not_found && failure != Failure::conflict) return std::unexpected(answer.error());
  // An answer may have been lost: then the object is there, and has the size of its parts.
  std::uint64_t size = 0;
  for (const auto& part : parts) size += part.size;
  if (const auto there = head(key); there && *there == size) return {};
  return std::unexpected(answer.error());
}

Result<> Bucket::abort_multipart(const std::string& key, const std::string& upload_id) {
  const auto answer =
      m_requests.make({.method = "DELETE", .key = key, .query = {{"uploadId", upload_id}}, .status = 204});
  if (answer || answer.error().failure == Failure::not_found) return {};
  return std::unexpected(answer.error());
}

Result<std::vector<Part>> Bucket::list_parts(const std::string& key, const std::string& upload_id) {
  std::vector<Part> parts;
  TRY(each_page<Part>(
      m_requests, {.method = "GET", .key = key, .query = {{"uploadId", upload_id}}}, read_parts,
      [&](const Part& part) -> Result<> {
        parts.push_back(part);
        return {};
      },
      [](Fields& query, const auto& page) { query.emplace_back("part-number-marker", page.next); }));
  return parts;
}

Result<> Bucket::list_multiparts(const std::string& prefix, const std::function<void(const Multipart&)>& each) {
  return each_page<Multipart>(m_requests, {.method = "GET", .query = {{"uploads", ""}, {"prefix", prefix}}},
                              read_multiparts, always(each), [](Fields& query, const auto& page) {
                                query.emplace_back("key-marker", page.next);
                                query.emplace_back("upload-id-marker", page.next_upload);
                              });
}

}  // namespace slipway::s3
