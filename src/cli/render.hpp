#pragma once
// Answers of admin operations as text for people.

#include "base/json.hpp"

#include <string>

namespace slipway::cli {

/// Prints to standard output.
void render(const std::string& operation, const Json& answer);

}  // namespace slipway::cli
