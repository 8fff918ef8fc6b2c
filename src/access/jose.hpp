#pragma once
// The small part of JOSE that Slipway speaks: JWS in compact form (RFC 7515 §7.1) by HMAC-SHA-256 (RFC 7518 §3.2).

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace slipway::access {

/// RFC 4648 §5, without padding (RFC 7515 §2).
std::string base64url(std::string_view bytes);
/// Nothing unless `text` is exactly what base64url() makes of some bytes.
std::optional<std::string> from_base64url(std::string_view text);

/// `header` and `payload` are JSON; the header says "alg":"HS256".
std::string sign_jws(std::string_view header, std::string_view payload, std::string_view key);

/// The payload. Failure::denied unless the header's alg is HS256, it asks for nothing we do not know ("crit"), and the
/// signature is the key's: no other algorithm is ever tried, `none` least of all.
Result<std::string> verify_jws(std::string_view token, std::string_view key);

}  // namespace slipway::access
