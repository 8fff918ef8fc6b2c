#pragma once
// Content-Range of an upload's chunk (distribution spec, "Pushing a blob in chunks").

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <optional>
#include <string_view>

namespace slipway::oci {

/// "<first>-<last>", inclusive, without the "bytes " of HTTP, which some clients send all the same, and with or without
/// its "/<size>". Nothing for an empty field; Failure::invalid for anything else, and for an end past 2^63 - 1.
Result<std::optional<ByteRange>> parse_chunk(std::string_view header);

}  // namespace slipway::oci
