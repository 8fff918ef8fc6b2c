#pragma once
// REPOSITORY[@CHANNEL] and REPOSITORY[@SNAPSHOT], as commands are told.

#include "base/result.hpp"

#include <string>

namespace slipway::cli {

struct TreePlace {
  std::string repository;
  std::string reference;  ///< a channel, or a snapshot's digest
};

/// The channel is `live` where none is said. Failure::invalid, saying what is wrong.
Result<TreePlace> parse_tree_place(const std::string& text);
/// The same, with a channel and no digest.
Result<TreePlace> parse_channel_place(const std::string& text);

}  // namespace slipway::cli
