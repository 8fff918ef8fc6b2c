#include "http/observer.hpp"

#include "base/log.hpp"

#include <mutex>

namespace slipway::http {

Observer::Observer(Metrics& metrics, bool log_requests)
    : m_metrics(metrics), m_log_requests(log_requests),
      m_bytes_in(metrics.counter("slipway_http_request_body_bytes_total", "Bytes of request bodies received")),
      m_bytes_out(metrics.counter("slipway_http_response_bytes_total", "Bytes of answers sent, heads included")) {}

Observer::Route& Observer::route(std::string_view name) {
  {
    const std::shared_lock lock(m_mutex);
    if (const auto found = m_routes.find(name); found != m_routes.end()) return *found->second;
  }
  const std::unique_lock lock(m_mutex);
  auto& slot = m_routes[name];
  if (!slot) {
    slot = std::make_unique<Route>();
    slot->seconds =
        &m_metrics.histogram("slipway_http_request_seconds", "From a request's head to its answer's last byte",
                             {{"route", std::string(name)}});
  }
  return *slot;
}

void Observer::ended(const Ended& ended) {
  auto& stats = route(ended.request.route);
  stats.seconds->observe(ended.seconds);
  auto& slot = stats.by_status[static_cast<std::size_t>(ended.status)];
  auto* counter = slot.load(std::memory_order_acquire);
  if (!counter) {
    counter = &m_metrics.counter("slipway_http_requests_total", "Requests answered; code 0: the client went away first",
                                 {{"route", std::string(ended.request.route)}, {"code", std::to_string(ended.status)}});
    slot.store(counter, std::memory_order_release);
  }
  counter->add();
  m_bytes_in.add(static_cast<double>(ended.bytes_in));
  m_bytes_out.add(static_cast<double>(ended.bytes_out));
  if (!m_log_requests) return;
  const auto& request = ended.request;
  log::info("request", {{"method", name_of(request.method)},
                        {"path", request.target.path()},
                        {"status", ended.status},
                        {"seconds", ended.seconds},
                        {"in", ended.bytes_in},
                        {"out", ended.bytes_out},
                        {"complete", ended.complete},
                        {"client", request.client},
                        {"user", request.user},
                        {"agent", request.headers.get("User-Agent")},
                        {"route", request.route},
                        {"id", request.id},
                        {"trace", request.trace_id}});
}

}  // namespace slipway::http
