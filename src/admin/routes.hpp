#pragma once
// The admin API over HTTP, and the pages that monitors ask for: /api/v1, /metrics, /healthz, /readyz.

#include "admin/operations.hpp"
#include "base/metrics.hpp"
#include "http/router.hpp"

namespace slipway::admin {

/// Adds the routes. Everything given outlives the router. The gauges live as long as what is returned.
[[nodiscard]] Metrics::Collector add_routes(http::Router& router, Instance& instance, access::Access& access,
                                            Metrics& metrics);

}  // namespace slipway::admin
