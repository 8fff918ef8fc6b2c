#pragma once
// A tree's channels are tags that point at its snapshots.

#include <string_view>

namespace slipway::publish {

/// What readers get where no channel is named.
inline constexpr const char* live_channel = "live";

}  // namespace slipway::publish
