// Who may come in: challenges, and the Docker token protocol (https://distribution.github.io/distribution/spec/auth/).

#include "http/router.hpp"
#include "oci/registry.hpp"

#include <algorithm>

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

namespace {

constexpr std::size_t scopes_max = 32;

/// Where clients reach this server: as configured, else as this client did. Empty where its Host is no host.
std::string base_url(const http::Request& request, const std::string& configured) {
  if (!configured.empty()) return configured;
  const bool plain = !request.host.empty() && std::ranges::all_of(request.host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '[' || c == ']';
  });
  return plain ? (request.secure ? "https://" : "http://") + request.host : std::string();
}

/// Every scope asked for; one parameter may hold several, divided by spaces, which some clients write as '+'.
std::vector<access::Grant> wanted_grants(const http::Request& request) {
  std::vector<access::Grant> out;
  for (const auto& scopes : request.target.parameters("scope")) {
    std::string_view rest = scopes;
    while (!rest.empty() && out.size() < scopes_max) {
      const auto scope = rest.substr(0, rest.find_first_of(" +"));
      rest.remove_prefix(std::min(rest.size(), scope.size() + 1));
      auto grant = access::parse_scope(scope);
      if (grant && (grant->name.empty() || is_repository_name(grant->name))) out.push_back(std::move(*grant));
    }
  }
  return out;
}

}  // namespace

Response Registry::unauthorized(const http::Request& request, std::string_view message, std::string_view details) {
  auto response = error_response(401, Code::unauthorized, message);
  const auto base = base_url(request, m_options.url);
  if (m_options.basic_challenge || base.empty())
    response.headers.add("WWW-Authenticate", "Basic realm=\"slipway\", charset=\"UTF-8\"");
  else
    response.headers.add("WWW-Authenticate", "Bearer realm=\"" + base + "/v2/token\",service=\"slipway\"" +
                                                 (details.empty() ? "" : "," + std::string(details)));
  return response;
}

std::optional<Response> Registry::check(const http::Request& request, const access::Principal& who, Action action,
                                        const std::string& name, const std::string& source) {
  if (action != Action::pull && m_catalog.is_read_only())
    return failure_response({Failure::read_only, {}}, Code::unsupported, request);
  // A better token may help with the source, but a mount that still may not read it is only an upload.
  const bool source_needs_token = !source.empty() && who.grants && !m_access.may(who, Action::pull, source) &&
                                  m_access.is_entitled(who, Action::pull, source);
  const bool may = m_access.may(who, action, name);
  if (may && !source_needs_token) return check_room(request);
  const auto wish =
      std::string(access::name_of(action)) + " " + (name.empty() ? "from this registry" : "'" + name + "'");
  const auto scope = "scope=\"" + access::scope_of(action, name) +
                     (source.empty() ? "" : " " + access::scope_of(Action::pull, source)) + "\"";
  if (who.grants && m_access.is_entitled(who, action, name))
    return unauthorized(request, "the token is not good to " + wish + ": ask for one that is",
                        scope + ",error=\"insufficient_scope\"");
  if (who.anonymous && m_access.wants_login()) return unauthorized(request, "log in to " + wish, scope);
  return error_response(403, Code::denied, who.name + " may not " + wish);
}

std::optional<Response> Registry::check_room(const http::Request& request) {
  if (!http::brings_content(request.method)) return std::nullopt;
  const auto room = m_store.expect_room();
  return room ? std::nullopt : std::optional(failure_response(room.error(), Code::unsupported, request));
}

http::Answer Registry::handle_token(Call& call) {
  auto& request = call.request;
  request.route = "token";
  // The other form, POST with a password in the body, is for refresh tokens, which are not given here; clients that try
  // it first go on with GET on a 405.
  if (request.method != Method::get) return http::method_not_allowed("GET");
  // What a token was given for must not be had for longer by asking again with the token.
  if (call.who.grants)
    return error_response(403, Code::denied, "a token is no credential for another: send a password");
  const auto issued = m_access.issue_token(call.who, wanted_grants(request));
  auto response = Response::json(200, Json{{"token", issued.token},
                                           {"access_token", issued.token},
                                           {"expires_in", issued.lifetime.count()},
                                           {"issued_at", rfc3339(issued.issued_at)}}
                                              .dump() +
                                          "\n");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

}  // namespace slipway::oci
