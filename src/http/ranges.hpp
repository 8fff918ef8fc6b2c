#pragma once
// The Range header of RFC 9110 §14, for one range: what every client here sends.

#include "base/bytes.hpp"

#include <cstdint>
#include <string_view>
#include <variant>

namespace slipway::http {

/// Send everything, status 200: there is no Range, or one we may ignore (another unit, several ranges, bad syntax).
struct WholeBody {};
/// Status 416 with `Content-Range: bytes */<size>`.
struct Unsatisfiable {};

/// What a Range header asks of a body of `size` bytes; a ByteRange is clamped to it and answers 206.
std::variant<WholeBody, ByteRange, Unsatisfiable> parse_range(std::string_view header, std::uint64_t size);

}  // namespace slipway::http
