#pragma once

#include "admin/operations.hpp"
#include "cli/server_access.hpp"

namespace slipway::cli {

/// Has a server run an operation. Fails with its own words.
Result<Json> ask_server(const ServerAccess& server, const admin::Operation& operation,
                        const admin::Parameters& parameters);

}  // namespace slipway::cli
