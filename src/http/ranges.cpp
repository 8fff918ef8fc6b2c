#include "http/ranges.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace slipway::http {

/// A decimal number that fits; anything else is none.
static std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::variant<WholeBody, ByteRange, Unsatisfiable> parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  if (!header.starts_with(unit) || header.find(',') != header.npos) return WholeBody{};
  const auto spec = header.substr(unit.size());
  const auto dash = spec.find('-');
  if (dash == spec.npos) return WholeBody{};
  const auto first = number(spec.substr(0, dash));
  const auto last = number(spec.substr(dash + 1));

  if (dash == 0) {  // "-n": the last n bytes
    if (!last) return WholeBody{};
    if (*last == 0 || size == 0) return Unsatisfiable{};
    const auto length = std::min(*last, size);
    return ByteRange{size - length, length};
  }
  if (!first || (!last && dash + 1 != spec.size())) return WholeBody{};
  if (*first >= size || (last && *last < *first)) return Unsatisfiable{};
  return ByteRange{*first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

}  // namespace slipway::http
