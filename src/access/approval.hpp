#pragma once
// Tags that not everybody who may push may move: a site's live channel, say.

#include "base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace slipway::access {

struct Approval {
  std::string repository;  ///< "*": any
  std::string tag;
  std::vector<std::string> users;  ///< who may move it, besides administrators
};

/// "REPOSITORY@TAG USER…", or "*@TAG USER…". Failure::invalid, saying what is wrong.
Result<Approval> parse_approval(std::string_view text);

}  // namespace slipway::access
