#pragma once
// How configuration values are written and read: durations ("30s", "1h30m"), sizes ("4 MiB"), and the nearest known
// word.

#include "base/result.hpp"

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::cli {

/// "250ms", "30s", "5m", "24h", "7d", or several together in falling order ("1h30m").
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string render_duration(std::chrono::milliseconds duration);

/// "4MiB", "4 MiB", "65536", "1GB" (decimal), at most 2^63-1.
Result<std::uint64_t> parse_size(std::string_view text);
std::string render_size(std::uint64_t bytes);

/// The known word nearest to `word` by edits, if any is near enough to be meant.
std::string nearest(std::string_view word, std::span<const std::string> known);

}  // namespace slipway::cli
