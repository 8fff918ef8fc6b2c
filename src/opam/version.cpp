#include "opam/version.hpp"

#include <algorithm>

namespace slipway::opam {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Of a character that is no digit; of the end, 0.
int weight(std::string_view text) {
  if (text.empty() || is_digit(text[0])) return 0;
  const char c = text[0];
  if (c == '~') return -1;
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_letter ? static_cast<unsigned char>(c) : static_cast<unsigned char>(c) + 256;
}

std::string_view take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size()));
  const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto out = text.substr(0, end);
  text.remove_prefix(end);
  return out;
}

}  // namespace

std::weak_ordering compare_versions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    while ((!a.empty() && !is_digit(a[0])) || (!b.empty() && !is_digit(b[0]))) {
      if (const auto order = weight(a) <=> weight(b); order != 0) return order;
      a.remove_prefix(1);  // the same weight and one of them no digit: both are the same character
      b.remove_prefix(1);
    }
    const auto x = take_number(a), y = take_number(b);
    if (const auto order = x.size() <=> y.size(); order != 0) return order;
    if (const auto order = x <=> y; order != 0) return order;
  }
  return std::weak_ordering::equivalent;
}

}  // namespace slipway::opam
