#include "cli/config_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace slipway::cli {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Longest names first where one begins with another.
constexpr std::array<Unit, 5> durations = {
    {{"ms", 1}, {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}}};
constexpr std::array<Unit, 11> sizes = {{{"KiB", 1ULL << 10},
                                         {"MiB", 1ULL << 20},
                                         {"GiB", 1ULL << 30},
                                         {"TiB", 1ULL << 40},
                                         {"kB", 1'000},
                                         {"KB", 1'000},
                                         {"MB", 1'000'000},
                                         {"GB", 1'000'000'000},
                                         {"TB", 1'000'000'000'000},
                                         {"B", 1},
                                         {"", 1}}};
constexpr std::uint64_t value_max = std::numeric_limits<std::int64_t>::max();

/// Takes a number off the front.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool multiply(std::uint64_t& value, std::uint64_t factor) {
  return !__builtin_mul_overflow(value, factor, &value) && value <= value_max;
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto bad = [&] {
    return fail(Failure::invalid, fmt::format("'{}' is not a duration such as 250ms, 30s, 5m or 24h", text));
  };
  auto rest = text;
  std::uint64_t total = 0;
  auto factor_before = value_max;
  if (rest.empty()) return bad();
  while (!rest.empty()) {
    auto value = take_number(rest);
    const auto* unit = std::ranges::find_if(durations, [&](const Unit& known) { return rest.starts_with(known.name); });
    if (!value || unit == durations.end() || unit->factor >= factor_before) return bad();
    if (!multiply(*value, unit->factor)) return bad();
    if (__builtin_add_overflow(total, *value, &total) || total > value_max / 1'000'000) return bad();
    rest.remove_prefix(unit->name.size());
    factor_before = unit->factor;
  }
  return std::chrono::milliseconds(total);
}

std::string render_duration(std::chrono::milliseconds duration) {
  const auto count = static_cast<std::uint64_t>(duration.count());
  for (const auto& [name, factor] : {durations[1], durations[2], durations[3], durations[4]})
    if (count >= factor && count % factor == 0) return fmt::format("{}{}", count / factor, name);
  return fmt::format("{}ms", count);
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto bad = [&] {
    return fail(Failure::invalid, fmt::format("'{}' is not a size such as 65536, 4MiB or 10GB", text));
  };
  auto rest = text;
  auto value = take_number(rest);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const auto* unit = std::ranges::find(sizes, rest, &Unit::name);
  if (!value || unit == sizes.end() || !multiply(*value, unit->factor)) return bad();
  return *value;
}

std::string render_size(std::uint64_t bytes) {
  for (const auto& [name, factor] : {sizes[3], sizes[2], sizes[1], sizes[0]})
    if (bytes >= factor && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, name);
  return std::to_string(bytes);
}

static std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

std::string nearest(std::string_view word, std::span<const std::string> known) {
  std::string best;
  auto best_edits = std::max<std::size_t>(3, word.size() / 3);
  for (const auto& candidate : known)
    if (const auto edits = edits_between(word, candidate); edits < best_edits) {
      best = candidate;
      best_edits = edits;
    }
  return best;
}

}  // namespace slipway::cli
