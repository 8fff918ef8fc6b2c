#include "oci/registry.hpp"

#include "http/router.hpp"

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

Registry::Registry(catalog::Catalog& catalog, blob::BlobStore& store, std::string store_id, access::Access& access,
                   RegistryOptions options)
    : m_catalog(catalog), m_store(store), m_store_id(std::move(store_id)), m_access(access), m_options(options) {}

std::string blob_path(const std::string& repository, const Digest& digest) {
  return "/v2/" + repository + "/blobs/" + digest.text();
}
std::string upload_path(const std::string& repository, const std::string& id) {
  return "/v2/" + repository + "/blobs/uploads/" + id;
}

Response created(const std::string& location, const Digest& digest) {
  auto response = Response::empty(201);
  response.headers.add("Location", location);
  response.headers.add("Docker-Content-Digest", digest.text());
  return response;
}

static Response unauthorized(std::string_view message) {
  auto response = error_response(401, Code::unauthorized, message);
  response.headers.add("WWW-Authenticate", "Basic realm=\"slipway\", charset=\"UTF-8\"");
  return response;
}

std::optional<Response> Registry::check(const http::Request& request, const access::Principal& who, Action action,
                                        const std::string& name) {
  if (action != Action::pull && m_catalog.is_read_only())
    return failure_response({Failure::read_only, {}}, Code::unsupported, request);
  if (m_access.may(who, action, name)) return std::nullopt;
  const auto wish =
      std::string(access::name_of(action)) + " " + (name.empty() ? "from this registry" : "'" + name + "'");
  if (who.anonymous && m_access.wants_login()) return unauthorized("log in to " + wish);
  return error_response(403, Code::denied, who.name + " may not " + wish);
}

http::Answer Registry::handle(http::Request& request) {
  request.route = "v2";
  auto who = m_access.identify(request.headers.get("Authorization"));
  if (!who && who.error().failure == Failure::denied) return unauthorized(who.error().message);
  if (!who) return failure_response(who.error(), Code::unauthorized, request);
  request.user = who->name;
  std::vector<std::string> below(request.target.segments.begin() + 1, request.target.segments.end());
  Call call{request, parse_path(below, request.target.trailing_slash), std::move(*who)};
  auto answer = dispatch(call);
  if (auto* response = std::get_if<Response>(&answer))
    response->headers.add("Docker-Distribution-Api-Version", "registry/2.0");
  return answer;
}

http::Answer Registry::dispatch(Call& call) {
  if (call.path.resource == Resource::base) {
    // Clients ask here what credentials are wanted, and remember the answer for every later request: so an anonymous
    // client is challenged wherever logging in would be of use, even if it could pull without.
    if (call.who.anonymous && m_access.wants_login() && !call.request.headers.has("Authorization"))
      return unauthorized("log in");
    if (auto refusal = check(call.request, call.who, Action::pull, "")) return std::move(*refusal);
    return Response::json(200, "{}\n");
  }
  if (call.path.resource == Resource::unknown)
    return error_response(404, Code::unsupported, "no such endpoint of the distribution API");
  if (!is_repository_name(call.path.repository))
    return error_response(400, Code::name_invalid,
                          "'" + call.path.repository.substr(0, 255) +
                              "' is not a repository name: lower-case letters, digits and single "
                              "separators (. _ __ -), in parts divided by '/', at most 255 bytes");
  switch (call.path.resource) {
  case Resource::blob: return handle_blob(call);
  case Resource::uploads: return handle_uploads(call);
  case Resource::upload: return handle_upload(call);
  case Resource::manifest: return handle_manifest(call);
  default: return handle_tags(call);
  }
}

http::Answer Registry::handle_tags(Call& call) {
  auto& request = call.request;
  request.route = "tags.list";
  const auto& name = call.path.repository;
  if (request.method != Method::get && request.method != Method::head) return http::method_not_allowed("GET, HEAD");
  if (auto refusal = check(request, call.who, Action::pull, name)) return std::move(*refusal);

  auto limit = m_options.tags_page_max;
  if (const auto n = request.target.parameter("n")) {
    if (n->empty() || n->size() > 9 || n->find_first_not_of("0123456789") != n->npos)
      return error_response(400, Code::unsupported, "n is not a number: '" + n->substr(0, 32) + "'");
    limit = std::min<std::size_t>(limit, std::stoul(*n));
  }
  auto tags = m_catalog.tags(name, request.target.parameter("last").value_or(""), limit + 1);
  if (!tags) return failure_response(tags.error(), Code::name_unknown, request);
  const bool more = tags->size() > limit;
  if (more) tags->pop_back();
  auto response = Response::json(200, Json{{"name", name}, {"tags", *tags}}.dump() + "\n");
  if (more && limit > 0)
    response.headers.add("Link", "</v2/" + name + "/tags/list?n=" + std::to_string(limit) +
                                     "&last=" + http::percent_encode(tags->back()) + ">; rel=\"next\"");
  return response;
}

}  // namespace slipway::oci
