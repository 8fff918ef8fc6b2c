#include "admin/routes.hpp"

#include <mutex>

namespace slipway::admin {
namespace {

using http::Method;
using http::Response;

Response error_response(int status, std::string_view message) {
  return Response::json(status, Json{{"error", message}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

int status_of(Failure failure) {
  switch (failure) {
  case Failure::not_found: return 404;
  case Failure::invalid: return 400;
  case Failure::conflict: return 409;
  case Failure::denied: return 403;
  case Failure::too_large: return 413;
  case Failure::out_of_range: return 416;
  case Failure::read_only: return 405;
  case Failure::no_space: return 507;
  case Failure::busy:
  case Failure::unavailable: return 503;
  default: return 500;
  }
}

/// Who asks; a response where that is nobody we believe.
std::variant<access::Principal, Response> identify(http::Request& request, access::Access& access) {
  auto who = access.identify(request.headers.get("Authorization"));
  if (!who) return error_response(who.error().failure == Failure::busy ? 429 : 401, who.error().message);
  request.user = who->name;
  return *who;
}

/// A refusal unless `who` may.
std::optional<Response> check(const access::Principal& who, access::Access& access, access::Action action,
                              const std::string& name) {
  if (access.may(who, action, name)) return std::nullopt;
  if (!who.anonymous)
    return error_response(403, who.name + " may not " + std::string(access::name_of(action)) + " here");
  auto response =
      error_response(401, "give credentials: the admin token as 'Authorization: Bearer TOKEN', or a user by Basic");
  response.headers.add("WWW-Authenticate", "Basic realm=\"slipway\", charset=\"UTF-8\"");
  return response;
}

Response run_operation(http::Request& request, Instance& instance, access::Access& access) {
  request.route = "api";
  const auto& segments = request.target.segments;
  std::string name;
  for (std::size_t i = 2; i < segments.size(); ++i) name.append(name.empty() ? "" : "/").append(segments[i]);
  const auto* operation = segments.size() > 2 && segments[1] == "v1" ? operation_named(name) : nullptr;
  if (!operation) return error_response(404, "no such operation; docs/http-api.md lists them");
  if (request.method != (operation->changes ? Method::post : Method::get))
    return http::method_not_allowed(operation->changes ? "POST" : "GET");

  auto who = identify(request, access);
  if (auto* refusal = std::get_if<Response>(&who)) return std::move(*refusal);
  const auto& principal = std::get<access::Principal>(who);
  Parameters parameters(request.target.query.begin(), request.target.query.end());
  const auto target = operation->named.empty() ? std::string() : parameters[std::string(operation->named)];
  if (auto refusal = check(principal, access, operation->action, target)) return std::move(*refusal);
  if (!operation->moves.empty())
    if (const auto approved = access.expect_approval(principal, target, parameters[std::string(operation->moves)]);
        !approved)
      return error_response(403, approved.error().message);
  const auto result = operation->run(instance, parameters, principal.name);
  if (!result) return error_response(status_of(result.error().failure), result.error().message);
  return Response::json(200, result->dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

/// Alive and able to read the catalog; writes are the doctor's business.
Response readiness(Instance& instance) {
  const auto read = instance.catalog.setting("catalog_id");
  return read ? Response::text(200, "ready\n")
              : Response::text(503, "the catalog cannot be read: " + read.error().message + "\n");
}

/// Counting all rows takes a while in a large catalog: a scraper gets figures of at most this age.
constexpr auto totals_age_max = std::chrono::seconds(15);

Metrics::Collector publish_gauges(Instance& instance, Metrics& metrics) {
  auto& repositories = metrics.gauge("slipway_repositories", "Repositories");
  auto& tags = metrics.gauge("slipway_tags", "Tags of all repositories");
  auto& manifests = metrics.gauge("slipway_manifests", "Manifests kept, each once");
  auto& blobs = metrics.gauge("slipway_blobs", "Blobs kept, each once");
  auto& blob_bytes = metrics.gauge("slipway_blob_bytes", "Their bytes");
  auto& uploads = metrics.gauge("slipway_uploads", "Open upload sessions");
  auto& deletions = metrics.gauge("slipway_deletions", "Locations whose bytes wait to be removed");
  auto& free_bytes = metrics.gauge("slipway_store_free_bytes", "Free space of the store");
  auto& hits = metrics.gauge("slipway_name_cache_hits", "Names resolved from memory since the start");
  auto& misses = metrics.gauge("slipway_name_cache_misses", "Names resolved by the database since the start");
  return metrics.before_exposition(
      [&, counted_at = std::optional<Steady>(), mutex = std::make_shared<std::mutex>()]() mutable {
        const std::lock_guard lock(*mutex);
        const auto now = std::chrono::steady_clock::now();
        const bool stale = !counted_at || now - *counted_at > totals_age_max;
        if (const auto totals = stale ? instance.catalog.totals() : fail(Failure::busy, "counted already")) {
          counted_at = now;
          repositories.set(static_cast<double>(totals->repositories));
          tags.set(static_cast<double>(totals->tags));
          manifests.set(static_cast<double>(totals->manifests));
          blobs.set(static_cast<double>(totals->blobs));
          blob_bytes.set(static_cast<double>(totals->blob_bytes));
          uploads.set(static_cast<double>(totals->uploads));
          deletions.set(static_cast<double>(totals->deletions));
        }
        if (const auto space = instance.store.space()) free_bytes.set(static_cast<double>(space->free_bytes));
        hits.set(static_cast<double>(instance.catalog.cache_hits()));
        misses.set(static_cast<double>(instance.catalog.cache_misses()));
      });
}

}  // namespace

Metrics::Collector add_routes(http::Router& router, Instance& instance, access::Access& access, Metrics& metrics) {
  router.add("/api", [&](http::Request& request) -> http::Answer { return run_operation(request, instance, access); });
  router.add("/healthz", [](http::Request& request) -> http::Answer {
    request.route = "healthz";
    return Response::text(200, "ok\n");
  });
  router.add("/readyz", [&](http::Request& request) -> http::Answer {
    request.route = "readyz";
    return readiness(instance);
  });
  router.add("/metrics", [&](http::Request& request) -> http::Answer {
    request.route = "metrics";
    auto who = identify(request, access);
    if (auto* refusal = std::get_if<Response>(&who)) return std::move(*refusal);
    if (!access.metrics_are_public())
      if (auto refusal = check(std::get<access::Principal>(who), access, access::Action::admin, ""))
        return std::move(*refusal);
    auto response = Response{200, {}, metrics.expose(), false};
    response.headers.add("Content-Type", "text/plain; version=0.0.4");
    return response;
  });
  return publish_gauges(instance, metrics);
}

}  // namespace slipway::admin
