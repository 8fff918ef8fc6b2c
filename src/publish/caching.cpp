#include "publish/caching.hpp"

namespace slipway::publish {

/// "3f2a91bc" of "assets/app.3f2a91bc.min.js"; empty where there is no such part.
static std::string_view last_part_of_name(std::string_view path) {
  auto name = path.substr(path.rfind('/') + 1);
  const auto dot = name.rfind('.');
  if (dot == name.npos) return {};
  name = name.substr(0, dot);
  if (name.ends_with(".min")) name.remove_suffix(4);
  const auto separator = name.find_last_of(".-_");
  return separator == name.npos || separator == 0 ? std::string_view() : name.substr(separator + 1);
}

bool is_fingerprinted(std::string_view path) {
  constexpr std::size_t least = 8;
  const auto part = last_part_of_name(path);
  bool has_digit = false, has_small = false, has_capital = false, is_hex = true;
  for (const char c : part) {
    const bool digit = c >= '0' && c <= '9', small = c >= 'a' && c <= 'z', capital = c >= 'A' && c <= 'Z';
    if (!digit && !small && !capital) return false;
    has_digit |= digit;
    has_small |= small;
    has_capital |= capital;
    is_hex &= digit || (c >= 'a' && c <= 'f');
  }
  return part.size() >= least && has_digit && has_small && (is_hex || has_capital);
}

std::string cache_control(bool is_public, bool for_ever) {
  return std::string(is_public ? "public" : "private") +
         (for_ever ? ", max-age=31536000, immutable" : ", max-age=0, must-revalidate");
}

}  // namespace slipway::publish
