// EVP cannot export a running hash, and resumable uploads need exactly that; the low-level functions can, and use the
// same SHA-NI code. They are deprecated since OpenSSL 3.0, hence this one suppression.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.hpp"

#include <cstring>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <type_traits>

namespace slipway {

std::string_view name_of(Algorithm algorithm) { return algorithm == Algorithm::sha256 ? "sha256" : "sha512"; }

std::optional<Algorithm> algorithm_named(std::string_view name) {
  if (name == "sha256") return Algorithm::sha256;
  if (name == "sha512") return Algorithm::sha512;
  return std::nullopt;
}

Digest::Digest(Algorithm algorithm, ByteView value) : m_algorithm(algorithm) {
  SLIPWAY_INVARIANT(value.size() == size_of(algorithm));
  std::memcpy(m_value.data(), value.data(), value.size());
}

Result<Digest> Digest::parse(std::string_view text) {
  const auto colon = text.find(':');
  const auto algorithm = algorithm_named(text.substr(0, colon));
  std::array<std::byte, 64> value{};
  if (colon == text.npos || !algorithm ||
      !from_hex(text.substr(colon + 1), std::span(value).first(size_of(*algorithm))))
    return fail(Failure::invalid, fmt::format("'{}' is not a digest: expected sha256:<64 hex digits> or "
                                              "sha512:<128 hex digits>, in lower case",
                                              text.substr(0, 200)));
  return Digest(*algorithm, ByteView(value).first(size_of(*algorithm)));
}

std::string Digest::text() const { return fmt::format("{}:{}", name_of(m_algorithm), to_hex(value())); }

static_assert(std::is_trivially_copyable_v<SHA256_CTX> && std::is_trivially_copyable_v<SHA512_CTX>);
static_assert(sizeof(SHA512_CTX) <= 216 && sizeof(SHA256_CTX) <= sizeof(SHA512_CTX));

static SHA256_CTX* sha256(std::byte* state) { return reinterpret_cast<SHA256_CTX*>(state); }
static SHA512_CTX* sha512(std::byte* state) { return reinterpret_cast<SHA512_CTX*>(state); }

Hasher::Hasher(Algorithm algorithm) : m_algorithm(algorithm) {
  if (algorithm == Algorithm::sha256)
    SHA256_Init(sha256(m_state.data()));
  else
    SHA512_Init(sha512(m_state.data()));
}

void Hasher::update(ByteView bytes) {
  if (m_algorithm == Algorithm::sha256)
    SHA256_Update(sha256(m_state.data()), bytes.data(), bytes.size());
  else
    SHA512_Update(sha512(m_state.data()), bytes.data(), bytes.size());
}

Digest Hasher::digest() const {
  auto copy = m_state;
  std::array<std::byte, 64> value{};
  auto* out = reinterpret_cast<unsigned char*>(value.data());
  if (m_algorithm == Algorithm::sha256)
    SHA256_Final(out, sha256(copy.data()));
  else
    SHA512_Final(out, sha512(copy.data()));
  return Digest(m_algorithm, ByteView(value).first(size_of(m_algorithm)));
}

std::uint64_t Hasher::count() const {
  // The contexts count bits, in two words; no more than 2^61 bytes can be stored anywhere.
  const auto* state = m_state.data();
  if (m_algorithm == Algorithm::sha512) return reinterpret_cast<const SHA512_CTX*>(state)->Nl / 8;
  const auto* context = reinterpret_cast<const SHA256_CTX*>(state);
  return (static_cast<std::uint64_t>(context->Nh) << 32 | context->Nl) / 8;
}

// "1", the algorithm's number, then the context as OpenSSL 3 lays it out. A change of that layout needs a new version.
static constexpr char state_version = '1';

std::string Hasher::save() const {
  std::string out{state_version, static_cast<char>(m_algorithm)};
  const auto size = m_algorithm == Algorithm::sha256 ? sizeof(SHA256_CTX) : sizeof(SHA512_CTX);
  return out.append(as_text(ByteView(m_state).first(size)));
}

Result<Hasher> Hasher::restore(std::string_view state) {
  const auto bad = [] {
    return fail(Failure::corrupt, "a saved hash state is of another version; the upload must start again");
  };
  if (state.size() < 2 || state[0] != state_version) return bad();
  const auto algorithm = static_cast<Algorithm>(state[1]);
  if (algorithm != Algorithm::sha256 && algorithm != Algorithm::sha512) return bad();
  const auto size = algorithm == Algorithm::sha256 ? sizeof(SHA256_CTX) : sizeof(SHA512_CTX);
  if (state.size() != 2 + size) return bad();
  Hasher hasher(algorithm);
  std::memcpy(hasher.m_state.data(), state.data() + 2, size);
  // `num` counts bytes waiting in the context's block buffer and indexes it: never trust it beyond the block.
  const auto waiting =
      algorithm == Algorithm::sha256 ? sha256(hasher.m_state.data())->num : sha512(hasher.m_state.data())->num;
  if (waiting >= (algorithm == Algorithm::sha256 ? 64U : 128U)) return bad();
  return hasher;
}

Digest digest_of(ByteView bytes, Algorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.update(bytes);
  return hasher.digest();
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  std::string out(32, '\0');
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                          reinterpret_cast<unsigned char*>(out.data()), &size);
  SLIPWAY_INVARIANT(done != nullptr && size == out.size());
  return out;
}

}  // namespace slipway

std::size_t std::hash<slipway::Digest>::operator()(const slipway::Digest& digest) const noexcept {
  std::size_t out = 0;  // the value is already uniformly distributed
  std::memcpy(&out, digest.value().data(), sizeof out);
  return out;
}
