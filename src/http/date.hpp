#pragma once
// Dates as HTTP writes them: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7), of whole seconds.

#include "base/clock.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace slipway::http {

std::string http_date(Timestamp at);
/// Nothing for another form.
std::optional<Timestamp> parse_http_date(std::string_view text);

}  // namespace slipway::http
