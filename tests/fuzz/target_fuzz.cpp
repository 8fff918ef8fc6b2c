// A request's target: nothing encoded in it can add, hide or climb a level, and its parts encode to the same target.

#include "http/target.hpp"
#include "input.hpp"

#include <algorithm>

using namespace slipway;

namespace {

std::string encode(const http::Target& target) {
  std::string out;
  for (const auto& segment : target.segments) out.append("/").append(http::percent_encode(segment));
  if (target.trailing_slash) out.append("/");
  char separator = '?';
  for (const auto& [name, value] : target.query) {
    out.append(1, separator).append(http::percent_encode(name)).append("=").append(http::percent_encode(value));
    separator = '&';
  }
  return out;
}

/// RFC 3986 §3.2: an authority ends at the first '/', '?' or '#'.
std::string_view path_of(std::string_view raw) {
  const auto scheme = raw.find("://");
  if (raw.starts_with("/") || scheme == raw.npos) return raw.substr(0, raw.find('?'));
  const auto end = std::min(raw.find_first_of("/?#", scheme + 3), raw.size());
  raw.remove_prefix(end);
  return raw.substr(0, raw.find('?'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto raw = Input(data, size).rest();

  const auto encoded = http::percent_encode(raw);
  SLIPWAY_INVARIANT(encoded.find_first_of("/?&=+ ") == encoded.npos && http::percent_decode(encoded) == raw);
  if (const auto decoded = http::percent_decode(raw)) SLIPWAY_INVARIANT(decoded->size() <= raw.size());

  const auto target = http::parse_target(raw);
  if (!target) {
    SLIPWAY_INVARIANT(target.error().failure == Failure::invalid && !target.error().message.empty());
    return 0;
  }
  for (const auto& segment : target->segments) {
    SLIPWAY_INVARIANT(segment != "." && segment != "..");
    SLIPWAY_INVARIANT(segment.find('/') == segment.npos && segment.find('\0') == segment.npos);
  }
  const auto levels = std::ranges::count(path_of(raw), '/');
  SLIPWAY_INVARIANT(levels > 0 || target->segments.empty());
  SLIPWAY_INVARIANT(std::max<std::ptrdiff_t>(levels, 1) ==
                    std::ssize(target->segments) + (target->trailing_slash ? 1 : 0));
  SLIPWAY_INVARIANT(std::ranges::count(target->path(), '/') == std::max<std::ptrdiff_t>(levels, 1));
  SLIPWAY_INVARIANT(target->query.size() <= 64);
  for (const auto& [name, value] : target->query) {
    SLIPWAY_INVARIANT(target->parameter(name).has_value());
    SLIPWAY_INVARIANT(std::ranges::count(target->parameters(name), value) > 0);
  }

  const auto again = http::parse_target(encode(*target));
  SLIPWAY_INVARIANT(again && again->segments == target->segments && again->query == target->query &&
                    again->trailing_slash == target->trailing_slash);
  return 0;
}
