#include "oci/registry.hpp"

#include "http/router.hpp"

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

Registry::Registry(catalog::Catalog& catalog, blob::BlobStore& store, std::string store_id, access::Access& access,
                   RegistryOptions options)
    : m_catalog(catalog), m_store(store), m_store_id(std::move(store_id)), m_access(access),
      m_options(std::move(options)), m_batches(m_options.batches_max) {}

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

namespace {

void add_version(Response& response) { response.headers.add("Docker-Distribution-Api-Version", "registry/2.0"); }

/// Passes a body on, and marks its answer as every answer below /v2 is.
class VersionedSink final : public http::BodySink {
public:
  explicit VersionedSink(std::unique_ptr<http::BodySink> sink) : m_sink(std::move(sink)) {}
  std::uint64_t starts_at() const override { return m_sink->starts_at(); }
  std::optional<Response> write(ByteView piece) override {
    auto refusal = m_sink->write(piece);
    if (refusal) add_version(*refusal);
    return refusal;
  }
  Response finish() override {
    auto response = m_sink->finish();
    add_version(response);
    return response;
  }

private:
  const std::unique_ptr<http::BodySink> m_sink;
};

http::Answer versioned(http::Answer answer) {
  if (auto* sink = std::get_if<std::unique_ptr<http::BodySink>>(&answer))
    return std::make_unique<VersionedSink>(std::move(*sink));
  add_version(std::get<Response>(answer));
  return answer;
}

}  // namespace

http::Answer Registry::handle(http::Request& request) {
  request.route = "v2";
  auto who = m_access.identify(request.headers.get("Authorization"));
  if (!who && who.error().failure == Failure::denied)
    return versioned(unauthorized(request, who.error().message, "error=\"invalid_token\""));
  if (!who) return versioned(failure_response(who.error(), Code::unauthorized, request));
  return versioned(handle_as(request, std::move(*who)));
}

http::Answer Registry::handle_as(http::Request& request, access::Principal who) {
  request.user = who.name;
  std::vector<std::string> below(request.target.segments.begin() + 1, request.target.segments.end());
  Call call{request, parse_path(below, request.target.trailing_slash), std::move(who)};
  return dispatch(call);
}

http::Answer Registry::dispatch(Call& call) {
  switch (call.path.resource) {
  case Resource::base: return handle_base(call);
  case Resource::token: return handle_token(call);
  case Resource::catalog: return handle_catalog(call);
  case Resource::unknown: return error_response(404, Code::unsupported, "no such endpoint of the distribution API");
  default: break;
  }
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
  case Resource::referrers: return handle_referrers(call);
  case Resource::missing: return handle_missing(call);
  case Resource::batch: return handle_batch(call);
  default: return handle_tags(call);
  }
}

http::Answer Registry::handle_base(Call& call) {
  const auto& request = call.request;
  if (request.method != Method::get && request.method != Method::head) return http::method_not_allowed("GET, HEAD");
  // Clients ask here what credentials are wanted, and remember the answer for every later request: so an anonymous
  // client is challenged wherever logging in would be of use, even if it could pull without.
  if (call.who.anonymous && m_access.wants_login() && !request.headers.has("Authorization"))
    return unauthorized(request, "log in", "");
  if (!call.who.grants)
    if (auto refusal = check(request, call.who, Action::pull, "")) return std::move(*refusal);
  return Response::json(200, "{}\n");
}

}  // namespace slipway::oci
