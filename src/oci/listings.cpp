// What there is, a page at a time: tags, repositories, referrers.

#include "http/router.hpp"
#include "oci/registry.hpp"

#include <charconv>

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

namespace {

constexpr std::size_t referrers_page_max = 1000;

/// `n` of a request, at most `most`; a refusal where it is no number.
std::expected<std::size_t, Response> page_size(const http::Request& request, std::size_t most) {
  const auto n = request.target.parameter("n");
  if (!n) return most;
  std::size_t value = 0;
  const auto [end, bad] = std::from_chars(n->data(), n->data() + n->size(), value);
  const bool whole = !n->empty() && end == n->data() + n->size();
  if (whole && bad == std::errc::result_out_of_range) return most;
  if (!whole || bad != std::errc())
    return std::unexpected(error_response(400, Code::unsupported, "n is not a number: '" + n->substr(0, 32) + "'"));
  return std::min(value, most);
}

/// RFC 8288: where the next page is. `query` goes on from "?".
void link_next(Response& response, const std::string& path, const std::string& query) {
  response.headers.add("Link", "<" + path + "?" + query + ">; rel=\"next\"");
}

std::string after(std::size_t limit, const std::string& last) {
  return "n=" + std::to_string(limit) + "&last=" + http::percent_encode(last);
}

/// A descriptor for the list: annotations are spliced in as they were pushed.
std::string descriptor_of(const catalog::Referrer& referrer) {
  Json descriptor{{"mediaType", referrer.media_type}, {"digest", referrer.digest.text()}, {"size", referrer.size}};
  if (referrer.artifact_type) descriptor["artifactType"] = *referrer.artifact_type;
  auto text = descriptor.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (referrer.annotations) {
    text.pop_back();
    text.append(",\"annotations\":").append(*referrer.annotations).append("}");
  }
  return text;
}

}  // namespace

http::Answer Registry::handle_tags(Call& call) {
  auto& request = call.request;
  request.route = "tags.list";
  const auto& name = call.path.repository;
  if (request.method != Method::get && request.method != Method::head) return http::method_not_allowed("GET, HEAD");
  if (auto refusal = check(request, call.who, Action::pull, name)) return std::move(*refusal);
  const auto limit = page_size(request, m_options.names_page_max);
  if (!limit) return limit.error();
  auto tags = m_catalog.tags(name, request.target.parameter("last").value_or(""), *limit + 1);
  if (!tags) return failure_response(tags.error(), Code::name_unknown, request);
  const bool more = tags->size() > *limit;
  if (more) tags->pop_back();
  auto response = Response::json(200, Json{{"name", name}, {"tags", *tags}}.dump() + "\n");
  if (more && *limit > 0) link_next(response, "/v2/" + name + "/tags/list", after(*limit, tags->back()));
  return response;
}

http::Answer Registry::handle_catalog(Call& call) {
  auto& request = call.request;
  request.route = "catalog";
  if (request.method != Method::get && request.method != Method::head) return http::method_not_allowed("GET, HEAD");
  if (auto refusal = check(request, call.who, Action::pull, "")) return std::move(*refusal);
  const auto limit = page_size(request, m_options.names_page_max);
  if (!limit) return limit.error();
  auto names = m_catalog.repositories(request.target.parameter("last").value_or(""), *limit + 1, "oci");
  if (!names) return failure_response(names.error(), Code::name_unknown, request);
  const bool more = names->size() > *limit;
  if (more) names->pop_back();
  const auto last = names->empty() ? std::string() : names->back();
  // A page may show less than it spans: nobody learns a name that they may not pull from.
  std::erase_if(*names, [&](const auto& name) { return !m_access.is_entitled(call.who, Action::pull, name); });
  auto response = Response::json(200, Json{{"repositories", *names}}.dump() + "\n");
  if (more && *limit > 0) link_next(response, "/v2/_catalog", after(*limit, last));
  return response;
}

http::Answer Registry::handle_referrers(Call& call) {
  auto& request = call.request;
  request.route = "referrers";
  const auto& name = call.path.repository;
  if (request.method != Method::get && request.method != Method::head) return http::method_not_allowed("GET, HEAD");
  if (auto refusal = check(request, call.who, Action::pull, name)) return std::move(*refusal);
  const auto subject = Digest::parse(call.path.last);
  if (!subject) return error_response(400, Code::digest_invalid, subject.error().message);
  const auto limit = page_size(request, referrers_page_max);
  if (!limit) return limit.error();
  std::int64_t position = 0;
  if (const auto last = request.target.parameter("last")) {
    const auto [end, bad] = std::from_chars(last->data(), last->data() + last->size(), position);
    if (bad != std::errc() || end != last->data() + last->size())
      return error_response(400, Code::unsupported, "last is not what a Link of this list said");
  }
  const auto type = request.target.parameter("artifactType").value_or("");
  const auto found =
      m_catalog.referrers(name, *subject, type.empty() ? std::nullopt : std::optional(type), position,
                          {.count = std::max<std::size_t>(*limit, 1), .bytes = ManifestLimits{}.size_max});
  if (!found) return failure_response(found.error(), Code::name_unknown, request);

  std::string body = R"({"schemaVersion":2,"mediaType":")" + std::string(oci_index) + R"(","manifests":[)";
  for (const auto& referrer : found->referrers) {
    if (body.back() != '[') body.push_back(',');
    body.append(descriptor_of(referrer));
  }
  Response response{200, {}, body + "]}", false};
  response.headers.add("Content-Type", std::string(oci_index));
  if (!type.empty()) response.headers.add("OCI-Filters-Applied", "artifactType");
  if (found->more)
    link_next(response, "/v2/" + name + "/referrers/" + subject->text(),
              after(*limit, std::to_string(found->referrers.back().position)) +
                  (type.empty() ? "" : "&artifactType=" + http::percent_encode(type)));
  return response;
}

}  // namespace slipway::oci
