// Tokens that strangers show, and scopes that they ask for. A token is believed only if we signed it; a payload that we
// sign, whatever it is, is read without harm and gives no more than it says.
//
// Input: a byte that chooses, then the token, the payload, or the scope.

#include "access/jose.hpp"
#include "access/tokens.hpp"
#include "input.hpp"

#include <algorithm>

using namespace slipway;

namespace {

const std::string key = "a key of the fuzzer's";

void check_stranger(std::string_view token, const access::Tokens& tokens) {
  const auto payload = access::verify_jws(token, key);
  const auto who = tokens.read(token);
  SLIPWAY_INVARIANT(payload || !who);
  // No input holds the key, so none can be signed by chance.
  SLIPWAY_INVARIANT(!payload);
}

void check_payload(std::string_view payload, const access::Tokens& tokens) {
  const auto token = access::sign_jws(R"({"alg":"HS256"})", payload, key);
  if (token.size() > (30U << 10)) return;
  SLIPWAY_INVARIANT(access::verify_jws(token, key) == std::string(payload));
  const auto who = tokens.read(token);
  if (!who) return;
  SLIPWAY_INVARIANT(who->grants.has_value());
  SLIPWAY_INVARIANT(!(who->anonymous && who->admin));
  // Given out again, it comes back the same.
  const auto again = tokens.read(tokens.issue(*who, *who->grants).token);
  SLIPWAY_INVARIANT(!again || (again->anonymous == who->anonymous));
}

void check_scope(std::string_view text) {
  const auto grant = access::parse_scope(text);
  if (!grant) return;
  SLIPWAY_INVARIANT(text.find(':') != text.rfind(':'));
  SLIPWAY_INVARIANT(std::ranges::find(grant->actions, access::Action::admin) == grant->actions.end());
  if (grant->name.empty()) return;
  for (const auto action : grant->actions) {
    const auto same = access::parse_scope(access::scope_of(action, grant->name));
    SLIPWAY_INVARIANT(same && same->name == grant->name);
    SLIPWAY_INVARIANT(std::ranges::find(same->actions, action) != same->actions.end());
  }
}

void check_base64url(std::string_view text) {
  SLIPWAY_INVARIANT(access::from_base64url(access::base64url(text)) == std::string(text));
  if (const auto bytes = access::from_base64url(text)) SLIPWAY_INVARIANT(access::base64url(*bytes) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const access::Tokens tokens(key, std::chrono::seconds(300), system_clock());
  Input input(data, size);
  const auto choice = input.number<std::uint8_t>() % 4;
  const auto rest = input.rest();
  if (choice == 0)
    check_stranger(rest, tokens);
  else if (choice == 1)
    check_payload(rest, tokens);
  else if (choice == 2)
    check_scope(rest);
  else
    check_base64url(rest);
  return 0;
}
