#pragma once
// What is told of every request that ended: one access-log line, and metrics by route.

#include "base/metrics.hpp"
#include "http/message.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <shared_mutex>
#include <unordered_map>

namespace slipway::http {

struct Ended {
  const Request& request;
  int status;  ///< 0 where the peer went away before it was answered
  std::uint64_t bytes_in;
  std::uint64_t bytes_out;
  double seconds;
  bool complete;  ///< the whole answer was sent
};

/// Safe to call from any thread.
class Observer {
public:
  Observer(Metrics& metrics, bool log_requests);
  void ended(const Ended& ended);

private:
  struct Route {
    Histogram* seconds;
    std::array<std::atomic<Counter*>, 600> by_status{};
  };
  Route& route(std::string_view name);

  Metrics& m_metrics;
  const bool m_log_requests;
  Counter& m_bytes_in;
  Counter& m_bytes_out;
  std::shared_mutex m_mutex;  // guards the map; a Route never moves
  std::unordered_map<std::string_view, std::unique_ptr<Route>> m_routes;
};

}  // namespace slipway::http
