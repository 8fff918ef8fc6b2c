// An Authorization field before a server that knows one admin token and no users: only that token makes an
// administrator, and nothing makes a user.

#include "access/access.hpp"
#include "base/digest.hpp"
#include "input.hpp"

#include <optional>

using namespace slipway;

namespace {

constexpr std::string_view token = "0123456789abcdef0123456789abcdef01234567";
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

access::Access& server() {
  static const auto access = access::Access::open(
      {.anonymous = access::Anonymous::pull, .admin_token_sha256 = to_hex(digest_of(as_bytes(token)).value())});
  return **access;
}

std::string encode_base64(std::string_view text) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(3, text.size()))) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) out.push_back(i <= text.size() ? alphabet[group >> (18 - 6 * i) & 63] : '=');
  }
  return out;
}

/// Lenient: what is no letter of the alphabet is passed over.
std::string decode_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == alphabet.npos) continue;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if ((count += 6) < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return out;
}

bool holds_token(std::string_view field) {
  const auto credentials = field.substr(std::min(field.find(' '), field.size()));
  if (credentials.ends_with(std::string(" ").append(token))) return true;
  const auto decoded = decode_base64(credentials);
  const auto colon = decoded.find(':');
  return colon != decoded.npos && std::string_view(decoded).substr(colon + 1) == token;
}

bool is_admin(std::string_view field) {
  const auto who = server().identify(field);
  return who && who->admin;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto field = Input(data, size).rest();

  const auto who = server().identify(field);
  if (!who) {
    SLIPWAY_INVARIANT(who.error().failure == Failure::denied);
  } else if (who->admin) {
    SLIPWAY_INVARIANT(!who->anonymous && who->name == "admin-token" && holds_token(field));
  } else {
    SLIPWAY_INVARIANT(who->anonymous && !server().may(*who, access::Action::admin, ""));
    SLIPWAY_INVARIANT(!server().may(*who, access::Action::push, "a"));
  }

  SLIPWAY_INVARIANT(is_admin("bEaRer " + std::string(token)));
  if (const auto user = field.substr(0, field.find(':')); user.size() <= 1000)
    SLIPWAY_INVARIANT(is_admin("Basic " + encode_base64(std::string(user).append(":").append(token))));
  return 0;
}
