#pragma once
// JSON that strangers send: nlohmann's parser recurses nowhere, but what it builds is walked, so depth and size are
// capped before it is built.

#include "base/result.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

namespace slipway {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t size_max = 4U << 20;
  std::size_t depth_max = 64;
};

/// Failure::too_large past a limit, Failure::invalid where it is not one JSON value (with the byte offset).
/// A duplicated key keeps its last value.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

/// object[key] where it is a string, else an empty one.
std::string string_at(const Json& object, const char* key);

}  // namespace slipway
