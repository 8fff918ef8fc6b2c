// A Range header: whatever it says, the range answered lies within the body, is not empty, and is the one asked for.
//
// Input: eight bytes of body size, then the header.

#include "base/result.hpp"
#include "http/ranges.hpp"
#include "input.hpp"

#include <algorithm>
#include <string>

using namespace slipway;

/// The number, or the largest there is where it does not fit: for a range's ends that is as good.
static std::uint64_t number_of(std::string_view digits) {
  SLIPWAY_INVARIANT(!digits.empty() && digits.find_first_not_of("0123456789") == digits.npos);
  std::uint64_t out = 0;
  for (const char c : digits)
    if (__builtin_mul_overflow(out, 10U, &out) || __builtin_add_overflow(out, static_cast<unsigned>(c - '0'), &out))
      return UINT64_MAX;
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto body_bytes = input.number<std::uint64_t>();
  const auto header = input.rest();

  const auto answer = http::parse_range(header, body_bytes);
  const auto* const range = std::get_if<ByteRange>(&answer);
  if (std::holds_alternative<http::Unsatisfiable>(answer)) SLIPWAY_INVARIANT(header.starts_with("bytes="));
  if (!range) return 0;

  SLIPWAY_INVARIANT(range->length > 0 && range->offset < body_bytes && range->length <= body_bytes - range->offset);
  SLIPWAY_INVARIANT(header.starts_with("bytes="));
  const auto spec = header.substr(6);
  const auto dash = spec.find('-');
  SLIPWAY_INVARIANT(dash != spec.npos);
  const auto first = spec.substr(0, dash);
  const auto last = spec.substr(dash + 1);
  if (first.empty()) {
    SLIPWAY_INVARIANT(range->length == std::min(number_of(last), body_bytes));
    SLIPWAY_INVARIANT(range->offset + range->length == body_bytes);
  } else {
    const auto end = last.empty() ? body_bytes - 1 : std::min(number_of(last), body_bytes - 1);
    SLIPWAY_INVARIANT(range->offset == number_of(first) && range->offset + (range->length - 1) == end);
  }
  return 0;
}
