#include "http/conditional.hpp"
#include "http/router.hpp"
#include "oci/registry.hpp"

#include <fmt/format.h>

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

static std::string manifest_path(const std::string& repository, const Digest& digest) {
  return "/v2/" + repository + "/manifests/" + digest.text();
}

static Response children_missing(const std::vector<Digest>& missing) {
  Json names = Json::array();
  for (const auto& absent : missing) names.push_back(absent.text());
  return error_response(404, Code::manifest_blob_unknown,
                        "push what the manifest points at first; missing: " + missing.front().text(),
                        {{"missing", names}});
}

static std::string etag_of(const Digest& digest) { return "\"" + digest.text() + "\""; }

/// RFC 9110 §13.1.1: somebody else moved the tag first.
static Response tag_moved(const std::string& tag) {
  return error_response(412, Code::denied,
                        "tag '" + tag + "' is not where If-Match or If-None-Match expect it: somebody else moved it");
}

/// A tag has no ':', a digest always has.
static bool is_digest_like(const std::string& reference) { return reference.find(':') != reference.npos; }

http::Answer Registry::handle_manifest(Call& call) {
  auto& request = call.request;
  const bool reads = request.method == Method::get || request.method == Method::head;
  if (!reads && request.method != Method::put && request.method != Method::del)
    return http::method_not_allowed("GET, HEAD, PUT, DELETE");
  const auto action = reads ? Action::pull : request.method == Method::put ? Action::push : Action::remove;
  request.route = request.method == Method::get ? "manifest.get"
                  : reads                       ? "manifest.head"
                  : action == Action::push      ? "manifest.put"
                                                : "manifest.delete";
  if (auto refusal = check(request, call.who, action, call.path.repository)) return std::move(*refusal);
  const auto& reference = call.path.last;
  if (is_digest_like(reference)) {
    if (const auto digest = Digest::parse(reference); !digest)
      return error_response(400, Code::digest_invalid, digest.error().message);
  } else if (!is_tag(reference)) {
    return error_response(reads ? 404 : 400, reads ? Code::manifest_unknown : Code::manifest_invalid,
                          "'" + reference.substr(0, 200) +
                              "' is neither a digest nor a tag (letters, digits, '_', '.', '-'; at most 128)");
  }
  if (reads) return get_manifest(call);
  return action == Action::push ? put_manifest(call) : delete_manifest(call);
}

Response Registry::get_manifest(Call& call) {
  const auto& [request, path, who] = call;
  const auto digest = Digest::parse(path.last);
  const auto found =
      digest ? m_catalog.find_manifest(path.repository, *digest) : m_catalog.find_tag(path.repository, path.last);
  if (!found) return failure_response(found.error(), Code::manifest_unknown, request);
  const auto name = found->digest.text();
  const auto etag = etag_of(found->digest);
  const bool unchanged = request.headers.combined("If-None-Match").find(etag) != std::string::npos;
  auto response = unchanged ? Response::empty(304) : Response{200, {}, found->bytes, false};
  if (!unchanged) response.headers.add("Content-Type", found->media_type);
  response.headers.add("Docker-Content-Digest", name);
  response.headers.add("ETag", etag);
  return response;
}

std::optional<Response> Registry::check_approval(const Call& call, const std::string& tag) const {
  const auto approved = m_access.expect_approval(call.who, call.path.repository, tag);
  if (approved) return std::nullopt;
  return error_response(403, Code::denied, approved.error().message);
}

http::Answer Registry::put_manifest(Call& call) {
  const auto tags = call.request.target.parameters("tag");
  if (!tags.empty() && !is_digest_like(call.path.last))
    return error_response(400, Code::unsupported, "?tag= goes with a manifest that is put by digest");
  for (const auto& tag : tags)
    if (!is_tag(tag)) return error_response(400, Code::manifest_invalid, "'" + tag.substr(0, 200) + "' is not a tag");
  for (const auto& tag : is_digest_like(call.path.last) ? tags : std::vector{call.path.last})
    if (auto refusal = check_approval(call, tag)) return std::move(*refusal);
  const auto max = m_options.manifest.size_max;
  auto too_large = error_response(413, Code::size_invalid,
                                  fmt::format("manifests larger than {} are not accepted here", human_size(max)));
  if (call.request.content_length.value_or(0) > max) return too_large;
  return http::collect_body(max, std::move(too_large),
                            [this, call](std::string bytes) mutable { return store_manifest(call, std::move(bytes)); });
}

Response Registry::store_manifest(Call& call, std::string bytes) {
  const auto& [request, path, who] = call;
  const auto named = Digest::parse(path.last);
  const auto digest = digest_of(as_bytes(bytes), named ? named->algorithm() : Algorithm::sha256);
  if (named && digest != *named)
    return error_response(400, Code::digest_invalid,
                          "the manifest received has digest " + digest.text() + ", not " + named->text());
  auto manifest = parse_manifest(std::move(bytes), request.headers.get("Content-Type"), m_options.manifest);
  if (!manifest) {
    const bool large = manifest.error().failure == Failure::too_large;
    return error_response(large ? 413 : 400, large ? Code::size_invalid : Code::manifest_invalid,
                          manifest.error().message);
  }
  manifest->digest = digest;
  const bool is_index = manifest->media_type == oci_index || manifest->media_type == docker_list;
  const auto more_tags = request.target.parameters("tag");
  const auto tags = named ? more_tags : std::vector{path.last};
  const bool may_be_sparse = m_options.sparse == Sparse::all || (is_index && m_options.sparse == Sparse::indexes);
  if (m_options.check_manifest)
    if (const auto checked = m_options.check_manifest(path.repository, *manifest); !checked) {
      // What is missing is told below, all of it.
      const auto failure = checked.error().failure;
      if (failure == Failure::invalid || failure == Failure::too_large || failure == Failure::corrupt)
        return error_response(400, Code::manifest_invalid, checked.error().message);
      if (failure != Failure::not_found) return failure_response(checked.error(), Code::manifest_unknown, request);
    }
  catalog::Catalog::TagExpectation expected;
  if (!named && http::has_write_condition(request.headers))
    expected = [&headers = request.headers](const std::optional<Digest>& now) {
      return http::may_change(headers, now ? etag_of(*now) : std::string());
    };
  const auto put = m_catalog.put_manifest(path.repository, *manifest, tags, who.name, !may_be_sparse, expected);
  if (!put) return failure_response(put.error(), Code::name_unknown, request);
  if (!put->elsewhere.empty()) return tag_moved(put->elsewhere);
  if (!put->put) return children_missing(put->missing);
  auto response = created(manifest_path(path.repository, digest), digest);
  for (const auto& edge : manifest->edges)
    if (edge.kind == catalog::EdgeKind::subject) response.headers.add("OCI-Subject", edge.digest.text());
  if (named)
    for (const auto& tag : tags) response.headers.add("OCI-Tag", tag);
  if (!put->missing.empty())
    response.headers.add("Warning", fmt::format("299 - \"{} of what this manifest lists are not in the repository\"",
                                                put->missing.size()));
  return response;
}

Response Registry::delete_manifest(Call& call) {
  const auto& [request, path, who] = call;
  const auto digest = Digest::parse(path.last);
  if (!digest)
    if (auto refusal = check_approval(call, path.last)) return std::move(*refusal);
  for (const auto& tag : digest ? m_access.approved_tags(path.repository) : std::vector<std::string>())
    if (const auto now = m_catalog.find_tag(path.repository, tag); now && now->digest == *digest)
      if (auto refusal = check_approval(call, tag)) return std::move(*refusal);
  const auto removed = digest ? m_catalog.remove_manifest(path.repository, *digest, who.name)
                              : m_catalog.remove_tag(path.repository, path.last, who.name);
  if (!removed) return failure_response(removed.error(), Code::manifest_unknown, request);
  return Response::empty(202);
}

}  // namespace slipway::oci
