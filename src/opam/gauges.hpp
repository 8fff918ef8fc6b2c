#pragma once
// Numbers about the opam repositories of a server, for monitors.

#include "base/metrics.hpp"
#include "opam/repositories.hpp"

namespace slipway::opam {

/// They live as long as what is returned; what is given outlives that.
[[nodiscard]] Metrics::Collector publish_gauges(Repositories& repositories, catalog::Catalog& catalog,
                                                const Clock& clock, Metrics& metrics);

}  // namespace slipway::opam
