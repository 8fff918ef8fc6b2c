#include "cas/cas.hpp"

#include "base/log.hpp"
#include "http/router.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::cas {

using access::Action;
using http::Method;
using http::Response;

namespace {

constexpr std::size_t key_bytes_max = 512;
constexpr std::size_t evicted_at_once = 256;
constexpr std::size_t uses_at_once = 1024;
constexpr auto tell_uses_every = std::chrono::seconds(10);

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

Response refusal(int status, const std::string& message) { return Response::text(status, message + "\n"); }

Response failure_response(const Error& error, const http::Request& request) {
  const auto later = [](Response response) {
    response.headers.add("Retry-After", "5");
    return response;
  };
  switch (error.failure) {
  case Failure::not_found: return refusal(404, error.message);
  case Failure::conflict: return refusal(409, error.message);
  case Failure::read_only: return refusal(405, "the server is read-only now: the cache can be read, not written");
  case Failure::busy: return later(refusal(503, error.message));
  case Failure::no_space:
    log::error("no space", {{"id", request.id}, {"error", error.message}});
    return later(refusal(507, "the disk is full; nothing was kept"));
  case Failure::unavailable:
    log::error("not available", {{"id", request.id}, {"error", error.message}});
    return later(refusal(503, "the storage does not answer; try again later"));
  default: break;
  }
  log::error("request failed", {{"path", request.target.path()}, {"id", request.id}, {"error", error.message}});
  return refusal(500, "internal error; the server's log has it under request " + request.id);
}

/// Bazel's content-addressed half names the digest that the bytes must have: "cas/<64 hex>" at the key's end.
std::optional<Digest> digest_in(std::string_view key) {
  constexpr std::string_view part = "cas/";
  const auto at = key.rfind(part);
  if (at == key.npos || (at > 0 && key[at - 1] != '/')) return std::nullopt;
  const auto digest = Digest::parse("sha256:" + std::string(key.substr(at + part.size())));
  return digest ? std::optional(*digest) : std::nullopt;
}

}  // namespace

bool is_cache_name(std::string_view name) {
  if (name.empty() || name.size() > 128 || !is_lower_or_digit(name.front()) || !is_lower_or_digit(name.back()))
    return false;
  for (std::size_t i = 1; i < name.size(); ++i) {
    if (is_lower_or_digit(name[i])) continue;
    const bool separator = name[i] == '-' || name[i] == '_' || name[i] == '.';
    if (!separator || !is_lower_or_digit(name[i - 1])) return false;
  }
  return true;
}

std::optional<std::string> key_of(const http::Target& target) {
  std::string key;
  for (std::size_t i = 2; i < target.segments.size(); ++i) {
    if (target.segments[i].empty()) return std::nullopt;
    key.append(key.empty() ? "" : "/").append(target.segments[i]);
  }
  const bool printable = std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; });
  if (key.empty() || key.size() > key_bytes_max || !printable || target.trailing_slash) return std::nullopt;
  return key;
}

/// An entry on its way in.
class EntrySink final : public http::BodySink {
public:
  EntrySink(Caches& caches, http::Request& request, std::string cache, std::string key, catalog::Push push)
      : m_caches(caches), m_request(request), m_cache(std::move(cache)), m_key(std::move(key)),
        m_push(std::move(push)) {}

  std::optional<Response> write(ByteView piece) override {
    const auto max = m_caches.m_options.entry_bytes_max;
    if (m_push.intake().position() + piece.size() > max)
      return refusal(413, fmt::format("entries larger than {} are not accepted here", human_size(max)));
    if (auto written = m_push.intake().write(piece); !written) return failure_response(written.error(), m_request);
    return std::nullopt;
  }

  Response finish() override {
    const auto digest = m_push.intake().digest(Algorithm::sha256);
    if (!digest) return failure_response(digest.error(), m_request);
    if (const auto named = digest_in(m_key); named && *named != *digest)
      return refusal(400, "the bytes received have digest " + digest->text() + ", which is not what the key says");
    if (auto kept = m_caches.keep(m_push, m_cache, m_key, *digest); !kept)
      return failure_response(kept.error(), m_request);
    if (auto fits = m_caches.make_room(m_cache); !fits)
      log::warn("a cache is larger than it should be", {{"cache", m_cache}, {"error", fits.error().message}});
    return Response::empty(201);
  }

private:
  Caches& m_caches;
  http::Request& m_request;
  const std::string m_cache;
  const std::string m_key;
  catalog::Push m_push;
};

Caches::Caches(catalog::Catalog& catalog, blob::BlobStore& store, std::string store_id, access::Access& access,
               const Clock& clock, Metrics& metrics, CacheOptions options)
    : m_catalog(catalog), m_store(store), m_store_id(std::move(store_id)), m_access(access), m_clock(clock),
      m_options(options), m_hits(metrics.counter("slipway_cas_hits_total", "Entries of /cas that were found")),
      m_misses(metrics.counter("slipway_cas_misses_total", "Entries of /cas that were asked for in vain")),
      m_evicted(metrics.counter("slipway_cas_evicted_total", "Entries of /cas that made room for others")),
      m_told_at(clock.now()) {}

Caches::~Caches() { tell_uses(std::move(m_uses)); }

http::Answer Caches::handle(http::Request& request) {
  request.route = "cas";
  const auto& segments = request.target.segments;
  const auto cache = segments.size() > 1 ? segments[1] : std::string();
  if (request.method == Method::propfind && request.target.trailing_slash && is_cache_name(cache))
    return describe_folder(request, cache);
  const auto key = key_of(request.target);
  if (!is_cache_name(cache) || !key)
    return refusal(404, "entries are at /cas/CACHE/KEY: CACHE is lower-case letters, digits and single separators "
                        "(. _ -), KEY at most 512 bytes of printable ASCII");
  const bool reads = request.method == Method::get || request.method == Method::head;
  if (!reads && request.method != Method::put && request.method != Method::del)
    return http::method_not_allowed("GET, HEAD, PUT, DELETE");
  request.route = reads ? "cas.get" : request.method == Method::put ? "cas.put" : "cas.delete";
  const auto action = reads ? Action::pull : request.method == Method::put ? Action::push : Action::remove;
  if (auto refused = check(request, action, cache)) return std::move(*refused);
  if (reads) return get(request, cache, *key);
  return action == Action::push ? put(request, cache, *key) : remove(request, cache, *key);
}

std::optional<Response> Caches::check(http::Request& request, Action action, const std::string& cache) {
  const auto challenge = [](const std::string& message) {
    auto response = refusal(401, message);
    response.headers.add("WWW-Authenticate", "Basic realm=\"slipway\", charset=\"UTF-8\"");
    return response;
  };
  const auto who = m_access.identify(request.headers.get("Authorization"));
  if (!who && who.error().failure == Failure::denied) return challenge(who.error().message);
  if (!who) return failure_response(who.error(), request);
  request.user = who->name;
  const auto wish = std::string(access::name_of(action)) + " '" + cache + "'";
  if (!m_access.may(*who, action, cache)) {
    if (who->anonymous && m_access.wants_login()) return challenge("give credentials to " + wish);
    return refusal(403, who->name + " may not " + wish);
  }
  if (action != Action::pull && m_catalog.is_read_only()) return failure_response({Failure::read_only, {}}, request);
  if (const auto room = http::brings_content(request.method) ? m_store.expect_room() : Result<>(); !room)
    return failure_response(room.error(), request);
  return std::nullopt;
}

Response Caches::get(const http::Request& request, const std::string& cache, const std::string& key) {
  const auto entry = m_catalog.find_entry(cache, key);
  if (!entry && entry.error().failure != Failure::not_found) return failure_response(entry.error(), request);
  const auto look_again = [&]() -> Result<catalog::StoredBlob> {
    TRY_ASSIGN(const auto found, m_catalog.find_entry(cache, key));
    return found.blob;
  };
  auto bytes = entry ? catalog::open_blob(m_store, entry->blob, {0, entry->blob.size}, look_again)
                     : std::unexpected(entry.error());
  if (!bytes) {
    // Lost bytes are a miss like any other: the client makes them anew, and the PUT heals them.
    const auto why = bytes.error().failure;
    if (why != Failure::not_found && why != Failure::corrupt) return failure_response(bytes.error(), request);
    m_misses.add();
    return refusal(404, "nothing is kept under this key");
  }
  m_hits.add();
  used(cache, key);
  Response response{200, {}, std::move(*bytes), false, [request = &request](const Error& error) {
                      if (error.failure == Failure::not_found || error.failure == Failure::corrupt)
                        return refusal(404, "nothing is kept under this key");
                      return failure_response(error, *request);
                    }};
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("ETag", "\"" + entry->digest.text() + "\"");
  return response;
}

http::Answer Caches::put(http::Request& request, const std::string& cache, const std::string& key) {
  if (request.content_length.value_or(0) > m_options.entry_bytes_max)
    return refusal(413,
                   fmt::format("entries larger than {} are not accepted here", human_size(m_options.entry_bytes_max)));
  auto push = catalog::Push::begin(m_catalog, m_store,
                                   {.repository = cache,
                                    .kind = "cas",
                                    .who = request.user,
                                    .announced = {},
                                    .content_length = request.has_body ? request.content_length : 0});
  if (!push) return failure_response(push.error(), request);
  auto sink = std::make_unique<EntrySink>(*this, request, cache, key, std::move(*push));
  if (!request.has_body) return sink->finish();
  return sink;
}

Response Caches::describe_folder(http::Request& request, const std::string& cache) {
  request.route = "cas.propfind";
  if (auto refused = check(request, Action::pull, cache)) return std::move(*refused);
  std::string href;
  for (const auto& segment : request.target.segments) href.append("/").append(http::percent_encode(segment));
  // It has no time of its own, but a client takes none for an answer that cannot be read.
  Response response{207,
                    {},
                    R"(<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:"><D:response><D:href>)" +
                        href +
                        R"(/</D:href><D:propstat><D:prop>
<D:resourcetype><D:collection/></D:resourcetype><D:getlastmodified>Thu, 01 Jan 1970 00:00:00 GMT</D:getlastmodified>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>
)",
                    false};
  response.headers.add("Content-Type", "application/xml; charset=utf-8");
  return response;
}

Response Caches::remove(const http::Request& request, const std::string& cache, const std::string& key) {
  const auto unwanted = m_catalog.remove_entry(cache, key);
  if (!unwanted) return failure_response(unwanted.error(), request);
  catalog::remove_all_queued(m_catalog, m_store, *unwanted);
  return Response::empty(204);
}

Result<> Caches::keep(catalog::Push& push, const std::string& cache, const std::string& key, const Digest& digest) {
  std::vector<blob::Location> unwanted;
  TRY(catalog::keep(
      m_catalog, m_store, push.intake(), digest,
      {.adopt = [&]() -> Result<> {
         TRY_ASSIGN(auto put, m_catalog.adopt_entry(cache, key, digest, push.session()));
         unwanted = std::move(put.unwanted);
         return {};
       },
       .commit = [&](const auto& digests, const auto& location, bool lost) -> Result<catalog::StoredBlob> {
         TRY_ASSIGN(auto put, m_catalog.commit_entry(cache, key, digests, location, m_store_id, lost, push.session()));
         unwanted = std::move(put.unwanted);
         return put.blob;
       }}));
  push.ended();
  catalog::remove_all_queued(m_catalog, m_store, unwanted);
  return {};
}

Result<> Caches::make_room(const std::string& cache) {
  for (;;) {
    TRY_ASSIGN(const auto eviction, m_catalog.evict(cache, m_options.bytes_max, evicted_at_once));
    m_evicted.add(static_cast<double>(eviction.entries));
    catalog::remove_all_queued(m_catalog, m_store, eviction.unwanted);
    if (!eviction.more || eviction.entries == 0) return {};
  }
}

void Caches::used(const std::string& cache, const std::string& key) {
  const auto now = m_clock.now();
  std::unordered_map<std::string, catalog::Catalog::Use> batch;
  {
    const std::lock_guard lock(m_mutex);
    m_uses.insert_or_assign(cache + "/" + key, catalog::Catalog::Use{cache, key, now});
    const bool told_just_now = m_told_at <= now && now - m_told_at < tell_uses_every;  // else the clock was set back
    if (m_uses.size() < uses_at_once && told_just_now) return;
    batch.swap(m_uses);
    m_told_at = now;
  }
  tell_uses(std::move(batch));
}

void Caches::tell_uses(std::unordered_map<std::string, catalog::Catalog::Use> uses) {
  if (uses.empty() || m_catalog.is_read_only()) return;
  std::vector<catalog::Catalog::Use> batch;
  for (auto& [name, use] : uses) batch.push_back(std::move(use));
  if (auto told = m_catalog.record_uses(batch); !told)
    log::warn("uses of cache entries are forgotten", {{"entries", batch.size()}, {"error", told.error().message}});
}

}  // namespace slipway::cas
