#include "blob/intake.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace slipway::blob {
namespace {

// A token is a row of (32-bit little-endian size, bytes): the store's token first, then each hasher's state.

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

Result<Intake> Intake::begin(BlobStore& store, LocationId id, bool resumable, std::vector<Algorithm> announced) {
  std::vector<Hasher> hashers{Hasher(Algorithm::sha256)};
  if (std::ranges::find(announced, Algorithm::sha512) != announced.end()) hashers.emplace_back(Algorithm::sha512);
  TRY_ASSIGN(auto upload, store.begin(id, resumable));
  return Intake(std::move(upload), std::move(hashers));
}

Result<Intake> Intake::resume(BlobStore& store, LocationId id, const ResumeToken& token) {
  std::string_view rest = token;
  const auto stored = take_part(rest);
  std::vector<Hasher> hashers;
  while (stored && !rest.empty()) {
    const auto state = take_part(rest);
    if (!state) return fail(Failure::corrupt, "an upload's resume token cannot be read");
    TRY_ASSIGN(auto hasher, Hasher::restore(*state));
    hashers.push_back(std::move(hasher));
  }
  if (hashers.empty()) return fail(Failure::corrupt, "an upload's resume token cannot be read");
  TRY_ASSIGN(auto upload, store.resume(id, std::string(*stored)));
  for (const auto& hasher : hashers)
    if (hasher.count() != upload->position())
      return fail(Failure::corrupt, "an upload's bytes and hash states do not belong together");
  Intake intake(std::move(upload), std::move(hashers));
  intake.m_was_suspended = true;
  return intake;
}

Location Intake::unfinished(LocationId id, const ResumeToken& token) {
  std::string_view rest = token;
  return {id, LocationKind::upload, std::string(take_part(rest).value_or(std::string_view())), {}};
}

Result<> Intake::write(ByteView bytes) {
  TRY(m_upload->write(bytes));
  for (auto& hasher : m_hashers) hasher.update(bytes);
  return {};
}

Result<ResumeToken> Intake::suspend() {
  TRY_ASSIGN(const auto stored, m_upload->suspend());
  m_was_suspended = true;
  std::string token;
  append_part(token, stored);
  for (const auto& hasher : m_hashers) append_part(token, hasher.save());
  return token;
}

Result<Digest> Intake::digest(Algorithm algorithm) {
  for (const auto& hasher : m_hashers)
    if (hasher.algorithm() == algorithm) return hasher.digest();
  Hasher late(algorithm);
  std::vector<std::byte> buffer(256U << 10);
  for (std::uint64_t at = 0; at < position();) {
    TRY_ASSIGN(const auto n, m_upload->read(buffer, at));
    if (n == 0) return fail(Failure::io, "an upload's bytes ended early");
    late.update(ByteView(buffer).first(n));
    at += n;
  }
  m_hashers.push_back(late);
  return late.digest();
}

std::vector<Digest> Intake::digests() const {
  std::vector<Digest> out;
  for (const auto& hasher : m_hashers) out.push_back(hasher.digest());
  return out;
}

}  // namespace slipway::blob
