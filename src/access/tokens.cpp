#include "access/tokens.hpp"

#include "access/jose.hpp"
#include "base/json.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <array>

namespace slipway::access {
namespace {

constexpr std::string_view issuer = "slipway";
constexpr std::chrono::seconds clock_skew{60};  // between replicas

/// What each action is called in a scope; administering is never a token's business.
constexpr std::array<std::pair<std::string_view, Action>, 3> scope_actions = {
    {{"pull", Action::pull}, {"push", Action::push}, {"delete", Action::remove}}};

std::vector<Action> actions_of(std::string_view list) {
  std::vector<Action> out;
  while (!list.empty()) {
    const auto word = list.substr(0, list.find(','));
    for (const auto& [name, action] : scope_actions)
      if ((word == name || word == "*") && std::ranges::find(out, action) == out.end()) out.push_back(action);
    list.remove_prefix(std::min(list.size(), word.size() + 1));
  }
  return out;
}

std::int64_t seconds_of(Timestamp at) {
  return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}

Json claim_of(const Grant& grant) {
  Json actions = Json::array();
  for (const auto& [name, action] : scope_actions)
    if (std::ranges::find(grant.actions, action) != grant.actions.end()) actions.push_back(name);
  const bool server = grant.name.empty();
  return {
      {"type", server ? "registry" : "repository"}, {"name", server ? "catalog" : grant.name}, {"actions", actions}};
}

std::int64_t number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

Json list_at(const Json& object, const char* key) {
  if (!object.is_object()) return Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : Json::array();
}

Grant grant_of(const Json& claim) {
  Grant grant{string_at(claim, "type") == "registry" ? "" : string_at(claim, "name"), {}};
  const auto actions = list_at(claim, "actions");
  for (const auto& [name, action] : scope_actions)
    if (std::ranges::find(actions, Json(name)) != actions.end()) grant.actions.push_back(action);
  return grant;
}

std::unexpected<Error> bad(std::string_view why) {
  return fail(Failure::denied, "the token is not valid: " + std::string(why));
}

}  // namespace

std::optional<Grant> parse_scope(std::string_view scope) {
  const auto first = scope.find(':');
  const auto last = scope.rfind(':');
  if (first == scope.npos || first == last) return std::nullopt;
  const auto type = scope.substr(0, first);
  const auto name = scope.substr(first + 1, last - first - 1);
  auto actions = actions_of(scope.substr(last + 1));
  if (type == "registry" && name == "catalog") return Grant{"", std::move(actions)};
  // A class in parentheses may follow the type: "repository(plugin)".
  if (type != "repository" && !type.starts_with("repository(")) return std::nullopt;
  if (name.empty()) return std::nullopt;
  return Grant{std::string(name), std::move(actions)};
}

std::string scope_of(Action action, std::string_view name) {
  if (name.empty()) return "registry:catalog:*";
  const std::string_view actions = action == Action::pull ? "pull" : action == Action::push ? "pull,push" : "delete";
  return "repository:" + std::string(name) + ":" + std::string(actions);
}

Tokens::Issued Tokens::issue(const Principal& who, const std::vector<Grant>& grants) const {
  const auto now = m_clock.now();
  Json access = Json::array();
  for (const auto& grant : grants)
    if (!grant.actions.empty()) access.push_back(claim_of(grant));
  const auto* kind = who.anonymous ? "anonymous" : who.name == "admin-token" && who.admin ? "admin-token" : "user";
  const Json payload{{"iss", issuer},
                     {"aud", issuer},
                     {"sub", who.anonymous ? "" : who.name},
                     {"kind", kind},
                     {"iat", seconds_of(now)},
                     {"nbf", seconds_of(now)},
                     {"exp", seconds_of(now + m_lifetime)},
                     {"jti", random_hex(8)},
                     {"access", access}};
  const auto text = payload.dump(-1, ' ', false, Json::error_handler_t::replace);
  return {sign_jws(R"({"alg":"HS256","typ":"JWT"})", text, m_key), now, m_lifetime};
}

Result<Principal> Tokens::read(std::string_view token) const {
  TRY_ASSIGN(const auto text, verify_jws(token, m_key));
  const auto json = parse_json(text, {.size_max = 64U << 10, .depth_max = 8});
  if (!json || string_at(*json, "iss") != issuer || string_at(*json, "aud") != issuer)
    return bad("it is not one of ours");
  const auto now = seconds_of(m_clock.now());
  if (number_at(*json, "exp") <= now) return bad("it has expired");
  if (number_at(*json, "nbf") > now + clock_skew.count()) return bad("it is not good yet");
  const auto kind = string_at(*json, "kind");
  Principal who{.name = kind == "anonymous" ? kind : string_at(*json, "sub"),
                .anonymous = kind == "anonymous",
                .admin = kind == "admin-token",
                .grants = std::vector<Grant>{}};
  for (const auto& claim : list_at(*json, "access")) who.grants->push_back(grant_of(claim));
  return who;
}

}  // namespace slipway::access
