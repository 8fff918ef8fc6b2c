#include "blob/s3_upload.hpp"

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace slipway::blob {
namespace {

constexpr std::uint64_t copy_bytes_max = std::uint64_t{5} << 30;  // S3's limit for a part
constexpr std::uint64_t part_bytes_min = 5U << 20;                // of all but the last
constexpr int parts_max = 10'000;
constexpr std::uint64_t pack_bytes_all = 1U << 30;  // more than any has: what is put at once leaves nothing behind

constexpr int overtaken_max = 10;  // a predecessor puts few parts between a list of them and its use

constexpr std::size_t token_bytes_max = 4096;
constexpr std::size_t leftovers_max = 64;  // named in a token

/// Another one at each call, for the same location too.
std::string new_key(const char* folder, LocationId id) {
  return fmt::format("{}/{:016x}.{}", folder, number_of(id), random_hex(4));
}

/// A client reads this: no key.
Result<> bytes_are_gone() { return fail(Failure::not_found, "the upload's bytes are gone: begin it again"); }

}  // namespace

// ---- tokens

ResumeToken S3Progress::token() const {
  return Json{{"key", key},   {"position", position},     {"upload", upload_id},    {"next", next_part},
              {"tail", tail}, {"tail_bytes", tail_bytes}, {"leftovers", leftovers}, {"contested", is_contested}}
      .dump();
}

Result<S3Progress> S3Progress::read(LocationId id, const ResumeToken& token) {
  const auto bad = [] { return fail(Failure::corrupt, "an upload's resume token cannot be read"); };
  const auto json = parse_json(token, {.size_max = token_bytes_max, .depth_max = 3});
  if (!json || !json->is_object() || !json->contains("leftovers")) return bad();
  for (const auto* name : {"position", "next", "tail_bytes"})
    if (!json->contains(name) || !(*json)[name].is_number_unsigned()) return bad();
  S3Progress out{.key = string_at(*json, "key"),
                 .position = (*json)["position"].get<std::uint64_t>(),
                 .upload_id = string_at(*json, "upload"),
                 .next_part =
                     static_cast<int>(std::min<std::uint64_t>((*json)["next"].get<std::uint64_t>(), parts_max + 2)),
                 .tail_bytes = (*json)["tail_bytes"].get<std::uint64_t>(),
                 .tail = string_at(*json, "tail"),
                 .leftovers = {},
                 .is_contested = json->value("contested", Json(false)) == Json(true)};
  // Nothing of any other location: what is named here is removed some day.
  const auto is_ours = [&](std::string_view key) {
    const auto name = fmt::format("/{:016x}.", number_of(id));
    return key.starts_with("raw" + name) || key.starts_with("uploads" + name);
  };
  for (const auto& key : (*json)["leftovers"]) {
    if (!key.is_string()) return bad();
    out.leftovers.push_back(key.get<std::string>());
  }
  const bool fits = is_ours(out.key) && std::ranges::all_of(out.leftovers, is_ours) && out.next_part >= 1 &&
                    out.next_part <= parts_max + 1 && out.tail_bytes <= out.position &&
                    out.tail.empty() == (out.tail_bytes == 0) && (out.tail.empty() || is_ours(out.tail)) &&
                    out.upload_id.empty() == (out.next_part == 1) &&
                    (!out.upload_id.empty() || out.tail_bytes == out.position);
  if (!fits) return bad();
  return out;
}

// ---- bytes coming in

S3Upload::S3Upload(S3Store& store, LocationId id, std::shared_ptr<const Fd> spool, const std::string& key)
    : m_store(store), m_id(id), m_spool(std::move(spool)), m_at{.key = key.empty() ? new_key("raw", id) : key} {}

S3Upload::~S3Upload() {
  if (!m_is_suspended && !m_is_complete && !m_at.upload_id.empty()) static_cast<void>(abandon());  // by the row, later
}

std::uint64_t S3Upload::part_bytes() const {
  if (m_id == LocationId{}) return pack_bytes_all;
  constexpr int doubled_after = 1000;
  return m_store.m_options.part_bytes << ((m_at.next_part - 1) / doubled_after);
}

Result<> S3Upload::write(ByteView bytes) {
  SLIPWAY_INVARIANT(!m_is_complete);
  for (;;) {
    // Parts of an upload that was taken over are smaller again: what it begins with may be more than one.
    if (m_at.tail_bytes >= part_bytes()) TRY(put_part());
    if (bytes.empty()) return {};
    const auto piece = bytes.first(std::min<std::uint64_t>(bytes.size(), part_bytes() - m_at.tail_bytes));
    TRY(spool(piece));
    bytes = bytes.subspan(piece.size());
  }
}

Result<> S3Upload::spool(ByteView bytes) {
  TRY(write_all(m_spool->get(), bytes, m_at.tail_bytes));
  m_hasher.update(bytes);
  m_at.tail_bytes += bytes.size();
  m_at.position += bytes.size();
  return {};
}

s3::Content S3Upload::spooled() const {
  return {FileSlice{m_spool, {0, m_at.tail_bytes}}, to_hex(m_hasher.digest().value())};
}

Result<> S3Upload::begin_parts() {
  TRY_ASSIGN(auto begun, m_store.m_bucket.begin_multipart(path()));
  m_at.upload_id = std::move(begun.upload_id);
  m_at.is_contested = m_at.is_contested || begun.may_be_second;
  return {};
}

Result<> S3Upload::put_part() {
  if (m_at.next_part > parts_max) return fail(Failure::too_large, "an upload has more than 10,000 parts");
  if (m_at.upload_id.empty()) TRY(begin_parts());
  auto part = m_store.m_bucket.put_part(path(), m_at.upload_id, m_at.next_part, spooled());
  if (!part && part.error().failure == Failure::not_found) return bytes_are_gone();  // another has taken it over
  TRY(part);
  m_parts.push_back(std::move(*part));
  ++m_at.next_part;
  m_at.tail_bytes = 0;
  m_hasher = Hasher(Algorithm::sha256);
  return {};
}

Result<std::size_t> S3Upload::read(std::span<std::byte> out, std::uint64_t offset) {
  if (offset >= m_at.position) return 0;
  const auto size = std::min<std::uint64_t>(out.size(), m_at.position - offset);
  if (m_at.upload_id.empty()) return read_some(m_spool->get(), out.first(size), offset);
  // Parts cannot be read before they are an object. Nobody knows its name as yet.
  if (!m_is_complete) TRY(complete());
  std::size_t filled = 0;
  TRY(m_store.m_bucket.get(path(), {offset, size}, [&](ByteView piece) -> Result<> {
    std::ranges::copy(piece, out.subspan(filled).begin());
    filled += piece.size();
    return {};
  }));
  return filled;
}

// ---- ends

Result<ResumeToken> S3Upload::suspend() {
  auto tail = m_at.tail_bytes > 0 ? new_key("uploads", m_id) : std::string();
  if (!tail.empty()) TRY(m_store.m_bucket.put(m_store.path_of(tail), spooled()));
  if (!m_at.tail.empty()) m_superseded.push_back(std::move(m_at.tail));
  m_at.tail = std::move(tail);
  m_is_suspended = true;
  remove_garbage();
  m_at.leftovers = m_garbage;
  m_at.leftovers.insert(m_at.leftovers.end(), m_superseded.begin(), m_superseded.end());
  if (m_at.leftovers.size() > leftovers_max)
    return fail(Failure::unavailable, "an upload's leftovers cannot be removed from the bucket");
  return m_at.token();
}

Result<> S3Upload::complete() {
  if (m_at.upload_id.empty()) {
    TRY(m_store.m_bucket.put(path(), spooled()));
  } else {
    if (m_at.tail_bytes > 0) TRY(put_part());
    auto finished = m_store.m_bucket.finish_multipart(path(), m_at.upload_id, m_parts);
    if (!finished && finished.error().failure == Failure::conflict)
      return fail(Failure::io, finished.error().message);  // to those who upload it would mean another request's doing
    if (!finished && finished.error().failure == Failure::not_found) return bytes_are_gone();
    TRY(finished);
  }
  m_is_complete = true;
  return {};
}

Result<Location> S3Upload::finish() {
  if (!m_is_complete) TRY(complete());
  remove_garbage();
  return Location{
      m_id, LocationKind::raw, m_at.key, {0, m_at.position}, fmt::format("{}", fmt::join(leftovers(), "\n"))};
}

/// What nobody needs once the catalog has the location.
std::vector<std::string> S3Upload::leftovers() const {
  auto out = m_garbage;
  out.insert(out.end(), m_superseded.begin(), m_superseded.end());
  if (!m_at.tail.empty()) out.push_back(m_at.tail);
  if (m_at.is_contested) out.push_back(S3Store::all_but(m_id, m_at.key));
  return out;
}

/// What cannot be removed now is told once more.
void S3Upload::remove_garbage() {
  if (m_garbage.empty()) return;
  if (const auto gone = m_store.remove_keys(m_garbage))
    m_garbage.clear();
  else
    log::warn("leftovers of an upload stay in the bucket for now",
              {{"key", m_at.key}, {"error", gone.error().message}});
}

Result<> S3Upload::abandon() {
  m_is_complete = true;           // there is nothing to go on with
  if (m_is_suspended) return {};  // its row is what finds it, behind the requests' back
  if (!m_at.upload_id.empty()) TRY(m_store.m_bucket.abort_multipart(path(), m_at.upload_id));
  return m_store.m_bucket.remove(path());
}

// ---- going on

Result<> S3Upload::go_on(const S3Progress& progress, Predecessor predecessor) {
  m_is_suspended = true;
  m_garbage = progress.leftovers;
  m_at = progress;
  m_at.tail_bytes = 0;
  m_at.position = progress.position - progress.tail_bytes;
  m_at.is_contested = progress.is_contested || predecessor == Predecessor::maybe_there;
  if (progress.upload_id.empty()) {
    m_superseded.push_back(progress.key);  // it may have been finished, and nobody heard of it
    m_at.key = new_key("raw", m_id);
  } else {
    auto found = predecessor == Predecessor::gone ? find_parts(progress)
                                                  : fail(Failure::conflict, "somebody else may put parts");
    if (!found && (found.error().failure == Failure::not_found || found.error().failure == Failure::conflict))
      found = take_over(progress);
    TRY(found);
  }
  if (progress.tail_bytes == 0) return {};
  const auto parts_bytes = m_at.position;
  auto fetched = fetch(m_store.path_of(progress.tail), {0, progress.tail_bytes});
  if (!fetched && fetched.error().failure == Failure::not_found)
    fetched = fetch(m_store.path_of(progress.key), {parts_bytes, progress.tail_bytes});
  if (!fetched && fetched.error().failure == Failure::not_found) return bytes_are_gone();
  return fetched;
}

/// conflict where others were put after the token was made: a completion would have to name them.
Result<> S3Upload::find_parts(const S3Progress& progress) {
  TRY_ASSIGN(m_parts, m_store.m_bucket.list_parts(path(), progress.upload_id));
  std::uint64_t bytes = 0;
  for (const auto& part : m_parts) bytes += part.size;
  if (static_cast<int>(m_parts.size()) != progress.next_part - 1 || bytes != m_at.position)
    return fail(Failure::conflict, "an upload has other parts than its token says");
  return {};
}

/// Makes an object of whatever parts there are; conflict where another was put meanwhile.
Result<> S3Upload::end_parts(const std::string& path, const std::string& upload_id) {
  const auto parts = m_store.m_bucket.list_parts(path, upload_id);
  if (parts) return m_store.m_bucket.finish_multipart(path, upload_id, *parts);
  if (parts.error().failure == Failure::not_found) return {};  // ended already
  return std::unexpected(parts.error());
}

/// Makes an object of what there is, which ends the upload for whoever may still be at it, and goes on in another
/// upload that begins with the object's bytes.
Result<> S3Upload::take_over(const S3Progress& progress) {
  auto& bucket = m_store.m_bucket;
  const auto old = path();
  auto ended = end_parts(old, progress.upload_id);
  for (int attempt = 1; !ended && ended.error().failure == Failure::conflict && attempt < overtaken_max; ++attempt)
    ended = end_parts(old, progress.upload_id);
  TRY(ended);
  const auto size = bucket.head(old);
  if (!size && size.error().failure == Failure::not_found) return bytes_are_gone();
  if (!size) return std::unexpected(size.error());
  if (*size < m_at.position) return fail(Failure::corrupt, "an upload has fewer bytes than were acknowledged");

  m_superseded.push_back(progress.key);
  m_parts.clear();
  m_at.key = new_key("raw", m_id);
  m_at.next_part = 1;
  TRY(begin_parts());
  for (std::uint64_t at = 0; at < m_at.position; ++m_at.next_part) {
    const auto left = m_at.position - at;
    auto length = std::min(copy_bytes_max, left);
    if (left > length && left - length < part_bytes_min) length -= part_bytes_min;
    TRY_ASSIGN(auto part, bucket.copy_part(path(), m_at.upload_id, m_at.next_part, old, {at, length}));
    m_parts.push_back(std::move(part));
    at += length;
  }
  return {};
}

/// Into the spool.
Result<> S3Upload::fetch(const std::string& path, ByteRange range) {
  return m_store.m_bucket.get(path, range, [this](ByteView piece) { return spool(piece); });
}

}  // namespace slipway::blob
