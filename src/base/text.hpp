#pragma once
// Text as strangers send it, for those who must be able to show it, or put it into JSON.

#include <string>
#include <string_view>

namespace slipway {

/// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF.
bool is_utf8(std::string_view text);

/// For messages: what is neither printable ASCII nor well-formed UTF-8 as \xNN, and cut after `size_max` bytes.
std::string printable(std::string_view text, std::size_t size_max = 200);

/// ASCII's capitals made small; all else as it is.
std::string in_small_letters(std::string_view text);

}  // namespace slipway
