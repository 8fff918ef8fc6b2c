#pragma once
// Where a channel is served, by configuration.

#include "base/result.hpp"

#include <string>
#include <string_view>

namespace slipway::publish {

struct Mount {
  std::string host;  ///< in small letters, without a port; empty: whatever the client calls this server
  std::string path;  ///< "/" or "/a/b"
  std::string repository;
  std::string channel;
  bool listing = false;  ///< a folder without an index shows what is in it
};

/// "HOST/PATH REPOSITORY@CHANNEL listing", of which the host, the channel (`live`) and the last word may be left out.
/// Failure::invalid, saying what is wrong.
Result<Mount> parse_mount(std::string_view text);

/// Paths that begin so are the server's own: no site is served there.
bool is_reserved_part(std::string_view first_part);

}  // namespace slipway::publish
