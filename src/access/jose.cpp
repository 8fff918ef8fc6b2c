#include "access/jose.hpp"

#include "base/digest.hpp"
#include "base/json.hpp"

#include <openssl/crypto.h>

namespace slipway::access {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t token_bytes_max = 32U << 10;

std::unexpected<Error> bad(std::string_view why) {
  return fail(Failure::denied, "the token is not valid: " + std::string(why));
}

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) out.push_back(alphabet[bits >> (count - 6) & 63]);
  }
  if (count > 0) out.push_back(alphabet[bits << (6 - count) & 63]);
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == alphabet.npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count));
  }
  // One text for one value: nothing may hide in the bits left over.
  if (count == 6 || (bits & ((1U << count) - 1)) != 0) return std::nullopt;
  return out;
}

std::string sign_jws(std::string_view header, std::string_view payload, std::string_view key) {
  auto token = base64url(header) + "." + base64url(payload);
  const auto signature = base64url(hmac_sha256(key, token));
  return token.append(".").append(signature);
}

Result<std::string> verify_jws(std::string_view token, std::string_view key) {
  if (token.size() > token_bytes_max) return bad("it is too long");
  const auto first = token.find('.');
  const auto second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos) return bad("it has not three parts");
  const auto header = from_base64url(token.substr(0, first));
  const auto payload = from_base64url(token.substr(first + 1, second - first - 1));
  const auto signature = from_base64url(token.substr(second + 1));
  if (!header || !payload || !signature) return bad("a part is not base64url");
  const auto json = parse_json(*header, {.size_max = 4096, .depth_max = 4});
  if (!json || string_at(*json, "alg") != "HS256" || json->contains("crit")) return bad("its header is not understood");
  const auto expected = hmac_sha256(key, token.substr(0, second));
  if (signature->size() != expected.size() || CRYPTO_memcmp(signature->data(), expected.data(), expected.size()) != 0)
    return bad("its signature is wrong");
  return *payload;
}

}  // namespace slipway::access
