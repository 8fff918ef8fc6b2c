#pragma once

#include <string_view>

namespace slipway::web {

/// A file of assets/, as it was when this was compiled; empty where there is none of that name.
std::string_view asset(std::string_view name);

}  // namespace slipway::web
