#include "blob/intake.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace slipway::blob {
namespace {

// A token is a row of (32-bit little-endian size, bytes): the store's token first, then each hasher's state. Where the
// token has the bytes themselves, the store's is empty, and they follow it.

void append_part(std::string& out, std::string_view part) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (unsigned shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(size >> shift));
  out.append(part);
}

std::optional<std::string_view> take_part(std::string_view& rest) {
  if (rest.size() < 4) return std::nullopt;
  std::uint32_t size = 0;
  for (unsigned i = 0; i < 4; ++i) size |= static_cast<std::uint32_t>(static_cast<unsigned char>(rest[i])) << (8 * i);
  if (rest.size() - 4 < size) return std::nullopt;
  const auto part = rest.substr(4, size);
  rest.remove_prefix(4 + size);
  return part;
}

}  // namespace

Result<Intake> Intake::begin(BlobStore& store, LocationId id, bool resumable, std::vector<Algorithm> announced,
                             Room room) {
  std::vector<Hasher> hashers{Hasher(Algorithm::sha256)};
  if (std::ranges::find(announced, Algorithm::sha512) != announced.end()) hashers.emplace_back(Algorithm::sha512);
  Intake intake(store, id, resumable, std::move(hashers), std::move(room));
  if (!intake.m_small) TRY(intake.hold({}));
  return intake;
}

Result<Intake> Intake::resume(BlobStore& store, LocationId id, const ResumeToken& token, Predecessor predecessor,
                              Room room) {
  std::string_view rest = token;
  std::vector<std::string_view> parts;
  while (!rest.empty()) {
    const auto part = take_part(rest);
    if (!part) return fail(Failure::corrupt, "an upload's resume token cannot be read");
    parts.push_back(*part);
  }
  const bool is_inline = holds_bytes(token);
  if (parts.size() < (is_inline ? 3U : 2U)) return fail(Failure::corrupt, "an upload's resume token cannot be read");
  std::vector<Hasher> hashers;
  for (const auto state : std::span(parts).subspan(is_inline ? 2 : 1)) {
    TRY_ASSIGN(auto hasher, Hasher::restore(state));
    hashers.push_back(std::move(hasher));
  }
  Intake intake(store, id, true, std::move(hashers), std::move(room));
  if (is_inline) {
    if (parts[1].size() > small_bytes_max) return fail(Failure::corrupt, "an upload's resume token is too large");
    TRY(intake.hold(as_bytes(parts[1])));
  } else {
    TRY_ASSIGN(intake.m_upload, store.resume(id, std::string(parts.front()), predecessor));
    intake.m_small.reset();
  }
  for (const auto& hasher : intake.m_hashers)
    if (hasher.count() != intake.position())
      return fail(Failure::corrupt, "an upload's bytes and hash states do not belong together");
  intake.m_was_suspended = true;
  return intake;
}

Location Intake::unfinished(LocationId id, const ResumeToken& token) {
  std::string_view rest = token;
  return {id, LocationKind::upload, std::string(take_part(rest).value_or(std::string_view())), {}};
}

bool Intake::holds_bytes(const ResumeToken& token) {
  std::string_view rest = token;
  const auto stored = take_part(rest);
  return stored && stored->empty();
}

/// Takes bytes in, wherever there is room for them.
Result<> Intake::hold(ByteView bytes) {
  if (!m_upload && m_small && m_small->fits(bytes.size())) {
    m_small->append(bytes);
    return {};
  }
  if (!m_upload) {
    TRY_ASSIGN(auto upload, m_store->begin(m_id, m_resumable));
    if (m_small) TRY(upload->write(m_small->view()));
    m_upload = std::move(upload);
    m_small.reset();
  }
  return m_upload->write(bytes);
}

Result<> Intake::write(ByteView bytes) {
  TRY(m_store->expect_room());
  TRY(hold(bytes));
  for (auto& hasher : m_hashers) hasher.update(bytes);
  return {};
}

Result<ResumeToken> Intake::suspend() {
  std::string stored;
  if (m_upload) {
    TRY_ASSIGN(stored, m_upload->suspend());
  }
  m_was_suspended = true;
  std::string token;
  append_part(token, stored);
  if (!m_upload) append_part(token, as_text(m_small->view()));
  for (const auto& hasher : m_hashers) append_part(token, hasher.save());
  return token;
}

Result<std::size_t> Intake::read(std::span<std::byte> out, std::uint64_t offset) {
  if (m_upload) return m_upload->read(out, offset);
  const auto rest = m_small->view().subspan(offset);
  const auto size = std::min(out.size(), rest.size());
  std::ranges::copy(rest.first(size), out.begin());
  return size;
}

Result<Digest> Intake::digest(Algorithm algorithm) {
  for (const auto& hasher : m_hashers)
    if (hasher.algorithm() == algorithm) return hasher.digest();
  Hasher late(algorithm);
  std::vector<std::byte> buffer(256U << 10);
  for (std::uint64_t at = 0; at < position();) {
    TRY_ASSIGN(const auto n, read(buffer, at));
    if (n == 0) return fail(Failure::io, "an upload's bytes ended early");
    late.update(ByteView(buffer).first(n));
    at += n;
  }
  m_hashers.push_back(late);
  return late.digest();
}

Result<Location> Intake::finish() {
  if (m_upload) return m_upload->finish();
  const SmallBlob blob{m_id, m_small->view()};
  TRY_ASSIGN(auto locations, m_store->put_small({&blob, 1}));
  return std::move(locations.front());
}

std::vector<Digest> Intake::digests() const {
  std::vector<Digest> out;
  for (const auto& hasher : m_hashers) out.push_back(hasher.digest());
  return out;
}

}  // namespace slipway::blob
