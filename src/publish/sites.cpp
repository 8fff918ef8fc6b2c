#include "publish/sites.hpp"

#include "base/log.hpp"
#include "http/ranges.hpp"
#include "http/router.hpp"
#include "publish/caching.hpp"
#include "publish/folder_page.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::publish {

using access::Action;
using http::Method;
using http::Precondition;
using http::Response;

namespace {

/// What came so lately might be followed by other content within the same second, which a date could not tell from it
/// (RFC 9110 §8.8.2.2).
constexpr auto settled_after = std::chrono::seconds(2);

/// Nobody keeps it: the next publication may bring what is missing.
Response refusal(int status, const std::string& message) {
  auto response = Response::text(status, message + "\n");
  response.headers.add("Cache-Control", "no-cache");
  response.headers.add("X-Content-Type-Options", "nosniff");
  return response;
}

Response failure_response(const Error& error, const http::Request& request) {
  const bool may_pass = error.failure == Failure::busy || error.failure == Failure::unavailable;
  log::error(may_pass ? "not available" : "a page cannot be had",
             {{"path", request.target.path()}, {"id", request.id}, {"error", error.message}});
  if (!may_pass) return refusal(500, "internal error; the server's log has it under request " + request.id);
  auto later = refusal(503, "the storage does not answer; try again later");
  later.headers.add("Retry-After", "5");
  return later;
}

std::string encoded(const http::Query& query) {
  std::string out;
  for (const auto& [name, value] : query)
    out.append(out.empty() ? "?" : "&").append(http::percent_encode(name) + "=" + http::percent_encode(value));
  return out;
}

/// Which variant a request gets; nothing where it is the file itself. Half of something compressed is of use to nobody.
const Variant* choose_variant(const http::Headers& request, const File& file, bool wants_part) {
  if (file.variants.empty() || wants_part) return nullptr;
  std::vector<std::string_view> codings;
  for (const auto& variant : file.variants) codings.push_back(name_of(variant.coding));
  const auto choice = http::choose_coding(request.combined("Accept-Encoding"), codings);
  return choice ? &file.variants[*choice] : nullptr;
}

/// Range is defined for GET alone (RFC 9110 §14.2).
bool wants_part(const http::Request& request) { return request.method == Method::get && request.headers.has("Range"); }

}  // namespace

Sites::Sites(catalog::Catalog& catalog, blob::BlobStore& store, access::Access& access, const Clock& clock,
             SiteOptions options)
    : m_catalog(catalog), m_access(access), m_clock(clock), m_options(std::move(options)),
      m_places(catalog, m_options.mounts, m_options.by_name), m_trees(catalog, store, m_options.cache_bytes) {}

std::optional<Response> Sites::check(http::Request& request, const std::string& repository) {
  const auto challenge = [](const std::string& message) {
    auto response = refusal(401, message);
    response.headers.add("WWW-Authenticate", "Basic realm=\"slipway\", charset=\"UTF-8\"");
    return response;
  };
  const auto who = m_access.identify(request.headers.get("Authorization"));
  if (!who && who.error().failure == Failure::denied) return challenge(who.error().message);
  if (!who) return failure_response(who.error(), request);
  request.user = who->name;
  if (m_access.may(*who, Action::pull, repository)) return std::nullopt;
  if (who->anonymous && m_access.wants_login()) return challenge("give credentials to read '" + repository + "'");
  return refusal(403, who->name + " may not read '" + repository + "'");
}

http::Answer Sites::handle(http::Request& request) {
  request.route = "site";
  const auto place = m_places.find(request);
  if (!place) return refusal(404, "nothing is served at this path");
  if (request.method != Method::get && request.method != Method::head) return http::method_not_allowed("GET, HEAD");
  if (auto refused = check(request, place->repository)) return std::move(*refused);
  const auto index = place->snapshot ? m_catalog.find_manifest(place->repository, *place->snapshot)
                                     : m_catalog.find_tag(place->repository, place->channel);
  if (!index && index.error().failure == Failure::not_found) return refusal(404, index.error().message);
  if (!index) return failure_response(index.error(), request);
  const auto tree = m_trees.open(place->repository, *index);
  if (!tree && tree.error().failure == Failure::invalid)
    return refusal(404, index->digest.text() + " of '" + place->repository + "' is no site: " + tree.error().message);
  if (!tree) return failure_response(tree.error(), request);

  const bool is_public = m_access.may({.name = "anonymous"}, Action::pull, place->repository);
  const Visit visit{request, *place, **tree, is_public};
  auto response = answer(visit);
  visit.tree.headers.apply(visit.path(), response.headers);
  response.headers.set("X-Slipway-Snapshot", visit.tree.digest.text());
  return response;
}

Response Sites::answer(const Visit& visit) {
  const auto& [request, place, tree, is_public] = visit;
  const auto& query = request.target.query;
  if (const auto rule = tree.redirects.match(visit.path(), query, true)) return follow(visit, *rule);
  if (place.path.empty()) return send_elsewhere(visit, 301, "/", true);
  if (auto* view = m_options.view_of(tree.repository)) {
    const auto site = (request.secure ? "https://" : "http://") + request.host + place.base;
    auto found =
        view->find(m_trees, tree, {.path = place.path, .query = query, .headers = request.headers, .site = site});
    if (!found && found.error().failure == Failure::not_found) return refusal(404, found.error().message);
    if (!found) return failure_response(found.error(), request);
    if (*found && !(*found)->elsewhere.empty())
      return send_elsewhere(visit, 301, http::percent_encode_path((*found)->elsewhere), true);
    if (*found) return send_as_asked(visit, std::move(**found));
  }
  const auto page = page_of(m_trees, tree, visit.path(), place.listing);
  if (!page) return failure_response(page.error(), request);
  if (page->file) return send_page(visit, page->file);
  if (const auto rule = tree.redirects.match(visit.path(), query, false)) return follow(visit, *rule);
  if (!page->elsewhere.empty()) return send_elsewhere(visit, 301, http::percent_encode_path(page->elsewhere), true);
  return page->is_folder && place.listing ? send_folder(visit) : send_missing(visit);
}

Response Sites::follow(const Visit& visit, const Redirect& rule) {
  if (!rule.is_rewrite()) return send_elsewhere(visit, rule.status, rule.target, rule.takes_query);
  const auto path = http::percent_decode(rule.target.substr(0, rule.target.find_first_of("?#")));
  const auto page = path ? page_of(m_trees, visit.tree, *path, false) : std::unexpected(path.error());
  if (!page) return failure_response(page.error(), visit.request);
  if (!page->file) return send_missing(visit);
  return rule.status == 200 ? send_page(visit, page->file) : send_file(visit, page->file, rule.status);
}

Response Sites::send_elsewhere(const Visit& visit, int status, const std::string& target, bool takes_query) {
  auto location = target.starts_with('/') ? http::percent_encode_path(visit.place.base) + target : target;
  if (takes_query) location.insert(std::min(location.find('#'), location.size()), encoded(visit.request.target.query));
  auto response = Response::empty(status);
  response.headers.add("Location", location);
  response.headers.add("Cache-Control", cache_control(visit.is_public, false));
  return response;
}

Response Sites::send_missing(const Visit& visit) {
  const auto page = page_for_missing(m_trees, visit.tree, visit.path());
  if (!page) return failure_response(page.error(), visit.request);
  return *page ? send_file(visit, *page, 404) : refusal(404, "no such page");
}

Response Sites::send_folder(const Visit& visit) {
  const auto after = visit.request.target.parameter("after").value_or("");
  const auto folder = list_folder(m_trees, visit.tree, visit.place.path.substr(1), after, folder_page_entries_max);
  if (!folder) return failure_response(folder.error(), visit.request);
  Response response{200, {}, folder_page(visit.place.base + visit.place.path, visit.place.path != "/", *folder), false};
  response.headers.add("Content-Type", "text/html; charset=utf-8");
  response.headers.add("Cache-Control", cache_control(visit.is_public, false));
  return response;
}

Result<Representation> Sites::represent(const Visit& visit, const File& file) {
  const auto* variant = choose_variant(visit.request.headers, file, wants_part(visit.request));
  const auto& digest = variant ? variant->digest : file.digest;
  const auto& repository = visit.tree.repository;
  TRY_ASSIGN(const auto blob, m_trees.blob(repository, digest));
  Representation out{.media_type = file.media_type,
                     .validators = {.etag = "\"" + digest.text() + "\""},
                     .size = blob.size,
                     .coding = variant ? name_of(variant->coding) : std::string_view(),
                     .varies_by = file.variants.empty() ? "" : "Accept-Encoding",
                     .is_lasting = is_fingerprinted(file.path),
                     .open = {}};
  if (m_clock.now() - blob.created_at >= settled_after) out.validators.modified = blob.created_at;
  out.open = [this, &repository, digest, blob](ByteRange part) {
    return m_trees.open_blob(repository, digest, blob, part);
  };
  out.lost = [this, repository, digest] { m_trees.forget_blob(repository, digest); };
  return out;
}

Response Sites::send_file(const Visit& visit, const FoundFile& found, int status) {
  auto bytes = represent(visit, *found.file);
  if (!bytes) return failure_response(bytes.error(), visit.request);
  const auto size = bytes->size;
  return send_part(visit, std::move(*bytes), status, {0, size});
}

Response Sites::send_page(const Visit& visit, const FoundFile& found) {
  auto bytes = represent(visit, *found.file);
  return bytes ? send_as_asked(visit, std::move(*bytes)) : failure_response(bytes.error(), visit.request);
}

Response Sites::send_as_asked(const Visit& visit, Representation&& bytes) {
  const auto& fields = visit.request.headers;
  const auto condition = http::check_preconditions(fields, bytes.validators);
  if (condition == Precondition::failed) return refusal(412, "this page is another one than If-Match names");
  if (condition == Precondition::not_modified) return send_part(visit, std::move(bytes), 304, {});

  const auto size = bytes.size;
  const auto range = wants_part(visit.request) && !bytes.is_weak ? http::applicable_range(fields, bytes.validators)
                                                                 : std::string_view();
  const auto wish = http::parse_range(range, size);
  if (const auto* part = std::get_if<ByteRange>(&wish)) return send_part(visit, std::move(bytes), 206, *part);
  if (std::holds_alternative<http::WholeBody>(wish)) return send_part(visit, std::move(bytes), 200, {0, size});
  auto refused = refusal(416, fmt::format("this page has {} bytes", size));
  refused.headers.add("Content-Range", fmt::format("bytes */{}", size));
  return refused;
}

Response Sites::send_part(const Visit& visit, Representation&& bytes, int status, ByteRange part) {
  const bool is_page = status == 200 || status == 206 || status == 304;  // not one in the place of another
  Response out = Response::empty(status);
  out.headers.add("Cache-Control",
                  cache_control(visit.is_public, is_page && (visit.place.snapshot || bytes.is_lasting)));
  if (bytes.is_weak) bytes.validators.etag.insert(0, "W/");
  http::add_validators(out.headers, bytes.validators);
  if (!bytes.varies_by.empty()) out.headers.add("Vary", std::string(bytes.varies_by));
  for (auto& [name, value] : bytes.fields) out.headers.add(std::move(name), std::move(value));
  if (status == 304) return out;
  out.headers.add("Content-Type", std::move(bytes.media_type));
  out.headers.add("X-Content-Type-Options", "nosniff");
  if (!bytes.coding.empty()) out.headers.add("Content-Encoding", std::string(bytes.coding));
  if (is_page) out.headers.add("Accept-Ranges", "bytes");
  if (status == 206)
    out.headers.add("Content-Range",
                    fmt::format("bytes {}-{}/{}", part.offset, part.offset + part.length - 1, bytes.size));
  if (bytes.text && part.length == bytes.text->size()) {
    out.body = std::move(bytes.text);
    return out;
  }
  if (bytes.text) {
    out.body = bytes.text->substr(part.offset, part.length);
    return out;
  }
  auto slice = visit.request.method == Method::head ? FileSlice{nullptr, part} : bytes.open(part);
  out.otherwise = [request = &visit.request, lost = std::move(bytes.lost)](const Error& error) {
    lost();
    return failure_response(error, *request);
  };
  if (!slice) return out.otherwise(slice.error());
  out.body = std::move(*slice);
  return out;
}

}  // namespace slipway::publish
