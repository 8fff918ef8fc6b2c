#pragma once
// Content digests as the OCI image spec writes them (image-spec descriptor.md, "Digests"): `sha256:<64 hex>` and
// `sha512:<128 hex>`, lower case. Other algorithms are refused.

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace slipway {

/// The numbers are stored in the catalog: never renumber.
enum class Algorithm : std::uint8_t { sha256 = 1, sha512 = 2 };

std::string_view name_of(Algorithm algorithm);
std::optional<Algorithm> algorithm_named(std::string_view name);
constexpr std::size_t size_of(Algorithm algorithm) { return algorithm == Algorithm::sha256 ? 32 : 64; }

/// An algorithm and its value. A value type; cheap to copy; ordered by algorithm, then bytes.
class Digest {
public:
  Digest() = default;
  /// `value` has size_of(algorithm) bytes.
  Digest(Algorithm algorithm, ByteView value);

  /// Failure::invalid, naming the text, unless it is a registered algorithm and exactly its length in lower-case hex.
  static Result<Digest> parse(std::string_view text);

  Algorithm algorithm() const { return m_algorithm; }
  ByteView value() const { return ByteView(m_value).first(size_of(m_algorithm)); }
  std::string text() const;
  auto operator<=>(const Digest&) const = default;

private:
  Algorithm m_algorithm = Algorithm::sha256;
  std::array<std::byte, 64> m_value{};
};

/// Digests bytes as they stream by. Its state can be saved and continued in another process, which OpenSSL's EVP
/// interface cannot do; so the low-level SHA functions are used, and the state carries a version.
/// Not safe for concurrent use.
class Hasher {
public:
  explicit Hasher(Algorithm algorithm);
  void update(ByteView bytes);
  /// The digest of all so far; the hasher may go on afterwards.
  Digest digest() const;
  Algorithm algorithm() const { return m_algorithm; }
  /// How many bytes went in so far.
  std::uint64_t count() const;

  /// An opaque state for restore(); at most 256 bytes.
  std::string save() const;
  /// Failure::corrupt where `state` was not written by save() of a compatible version.
  static Result<Hasher> restore(std::string_view state);

private:
  static constexpr std::size_t state_size = 216;  // sizeof(SHA512_CTX), the larger; checked in digest.cpp
  Algorithm m_algorithm;
  alignas(8) std::array<std::byte, state_size> m_state{};
};

/// The digest of bytes at hand.
Digest digest_of(ByteView bytes, Algorithm algorithm = Algorithm::sha256);

/// HMAC (RFC 2104) with SHA-256: 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view message);

}  // namespace slipway

template <>
struct std::hash<slipway::Digest> {
  std::size_t operator()(const slipway::Digest& digest) const noexcept;
};
