// Many digests, and many small blobs, in one request each: what a tree of many files is published by. Ours, for no
// other registry has it; docs/http-api.md.

#include "catalog/keep.hpp"
#include "http/router.hpp"
#include "oci/batch_format.hpp"
#include "oci/registry.hpp"

#include <fmt/format.h>
#include <unordered_set>

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

namespace {

constexpr std::size_t asked_max = 10'000;
constexpr std::size_t asked_bytes_max = 1U << 20;
constexpr std::size_t group_bytes = 1U << 20;  ///< of blobs that are made durable together …
constexpr std::size_t group_count = 512;       ///< … and as many

Result<std::vector<Digest>> digests_in(std::string_view lines) {
  std::vector<Digest> out;
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    TRY_ASSIGN(const auto digest, Digest::parse(line));
    if (digest.algorithm() != Algorithm::sha256)
      return fail(Failure::invalid, digest.text() + ": only sha256 can be asked for here");
    if (out.size() == asked_max)
      return fail(Failure::too_large, fmt::format("more than {} digests at once are too many", asked_max));
    out.push_back(digest);
  }
  return out;
}

}  // namespace

bool Registry::is_whole(const Digest& digest, const catalog::Known& known) {
  // Where a look costs a request, as for HEAD: by the catalog alone.
  return known.blob && (m_store.is_remote() || catalog::is_whole(m_store, *known.blob, digest));
}

Result<std::vector<Digest>> Registry::missing_of(const std::string& repository, const access::Principal& who,
                                                 std::span<const Digest> digests) {
  TRY_ASSIGN(const auto known, m_catalog.known(repository, digests));
  std::vector<Digest> out;
  std::vector<std::pair<Digest, std::string>> elsewhere;
  for (const auto& digest : digests) {
    const auto found = known.find(digest);
    const bool is_there = found != known.end() && (found->second.is_manifest || is_whole(digest, found->second));
    // What the caller may not read looks as if it were not there.
    if (!is_there || (!found->second.is_manifest && !found->second.is_member &&
                      !m_access.may(who, Action::pull, found->second.holder)))
      out.push_back(digest);
    else if (!found->second.is_manifest && !found->second.is_member)
      elsewhere.emplace_back(digest, found->second.holder);
  }
  if (!elsewhere.empty()) TRY(m_catalog.mount_blobs(repository, elsewhere));
  return out;
}

http::Answer Registry::handle_missing(Call& call) {
  auto& request = call.request;
  request.route = "batch.missing";
  if (request.method != Method::post) return http::method_not_allowed("POST");
  if (auto refusal = check(request, call.who, Action::push, call.path.repository)) return std::move(*refusal);
  auto too_large = error_response(413, Code::size_invalid,
                                  fmt::format("at most {} digests are answered at once, a line each", asked_max));
  return http::collect_body(
      asked_bytes_max, std::move(too_large),
      [this, &request, repository = call.path.repository, who = call.who](const std::string& lines) {
        const auto digests = digests_in(lines);
        if (!digests) return failure_response(digests.error(), Code::digest_invalid, request);
        const auto missing = missing_of(repository, who, *digests);
        if (!missing) return failure_response(missing.error(), Code::name_unknown, request);
        std::string out;
        for (const auto& digest : *missing) out += digest.text() + "\n";
        return Response::text(200, std::move(out));
      });
}

Result<> Registry::keep_all(const std::string& repository, std::span<const std::pair<Digest, std::string>> blobs) {
  std::vector<Digest> digests;
  for (const auto& [digest, bytes] : blobs) digests.push_back(digest);
  // Again where one that the store had has gone meanwhile.
  for (bool trust = true;; trust = false) {
    TRY_ASSIGN(const auto known, m_catalog.known(repository, digests));
    std::vector<catalog::BatchedBlob> entries;
    std::vector<blob::SmallBlob> fresh;
    std::unordered_set<Digest> seen;
    for (const auto& [digest, bytes] : blobs) {
      if (!seen.insert(digest).second) continue;
      const auto found = known.find(digest);
      const bool is_known = found != known.end() && found->second.blob;
      const bool is_kept = is_known && trust && catalog::is_whole(m_store, *found->second.blob, digest);
      entries.push_back({.digest = digest, .location = std::nullopt, .replace = is_known && !is_kept});
      if (is_kept) continue;
      TRY_ASSIGN(const auto id, m_catalog.next_location());
      entries.back().location = blob::Location{.id = id};
      fresh.push_back({id, as_bytes(bytes)});
    }
    TRY_ASSIGN(const auto locations, m_store.put_small(fresh));
    auto next = locations.begin();
    for (auto& entry : entries)
      if (entry.location) entry.location = *next++;
    const auto committed = m_catalog.commit_blobs(repository, entries, m_store_id);
    if (committed || committed.error().failure != Failure::not_found || !trust) return committed;
  }
}

/// A body of small blobs. What came before it broke off is kept.
class BatchSink final : public http::BodySink {
public:
  BatchSink(Registry& registry, const http::Request& request, std::string repository, Gate::Place place)
      : m_registry(registry), m_request(request), m_repository(std::move(repository)), m_place(std::move(place)) {}

  std::optional<Response> write(ByteView piece) override {
    const auto fed = m_parser.feed(piece, [this](const Digest& digest, std::string bytes) {
      m_bytes += bytes.size();
      m_group.emplace_back(digest, std::move(bytes));
      return m_bytes >= group_bytes || m_group.size() == group_count ? keep() : Result<>();
    });
    if (fed) return std::nullopt;
    return answer(fed.error());
  }

  Response finish() override {
    auto ended = m_parser.finish();
    if (ended) ended = keep();
    if (!ended) return answer(ended.error());
    return Response::json(201, fmt::format("{{\"blobs\":{}}}\n", m_parser.count()));
  }

private:
  Result<> keep() {
    if (m_group.empty()) return {};
    TRY(m_registry.m_store.expect_room());
    TRY(m_registry.keep_all(m_repository, m_group));
    m_group.clear();
    m_bytes = 0;
    return {};
  }

  Response answer(const Error& error) const {
    if (error.failure == Failure::invalid) return error_response(400, Code::digest_invalid, error.message);
    return failure_response(error, Code::name_unknown, m_request);
  }

  Registry& m_registry;
  const http::Request& m_request;
  const std::string m_repository;
  const Gate::Place m_place;
  BatchParser m_parser;
  std::vector<std::pair<Digest, std::string>> m_group;
  std::size_t m_bytes = 0;  // of the group
};

http::Answer Registry::handle_batch(Call& call) {
  auto& request = call.request;
  request.route = "batch.blobs";
  if (request.method != Method::post) return http::method_not_allowed("POST");
  if (auto refusal = check(request, call.who, Action::push, call.path.repository)) return std::move(*refusal);
  if (!request.has_body) return error_response(400, Code::size_invalid, "a batch without blobs");
  auto place = m_batches.enter();
  if (!place)
    return failure_response({Failure::busy, "too many batches at once; try again shortly"}, Code::name_unknown,
                            request);
  return std::make_unique<BatchSink>(*this, request, call.path.repository, std::move(place));
}

}  // namespace slipway::oci
