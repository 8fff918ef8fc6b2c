#pragma once
// The server that a command speaks to, and as whom.

#include "cli/commands.hpp"

namespace slipway::cli {

struct ServerAccess {
  std::string url;
  std::string authorization;  ///< of the header field; empty: nobody
  std::string ca_file;
};

/// For messages.
inline constexpr const char* ways_to_log_in =
    "--user NAME:PASSWORD or SLIPWAY_USER, --token or SLIPWAY_TOKEN, or what docker login has left";

/// --server, else $SLIPWAY_SERVER, else the configured one: what it announced in its data directory, or its first
/// listen address. As whom: --token or --user, else $SLIPWAY_TOKEN or $SLIPWAY_USER, else what docker's config.json
/// has for that host. Failure::invalid for a configuration that is none.
Result<ServerAccess> find_server(const Common& common, const AdminTarget& target);

}  // namespace slipway::cli
