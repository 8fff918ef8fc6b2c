#pragma once
// The admin API over HTTP, and the pages that monitors ask for: /api/v1, /metrics, /healthz, /readyz.

#include "admin/operations.hpp"
#include "base/metrics.hpp"
#include "http/router.hpp"

namespace slipway::admin {

/// Adds the routes. Everything given outlives the router.
void add_routes(http::Router& router, Instance& instance, access::Access& access, Metrics& metrics);

}  // namespace slipway::admin
