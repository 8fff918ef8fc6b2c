#pragma once
// How long others may keep what they got.

#include <string>
#include <string_view>

namespace slipway::publish {

/// A name with a fingerprint of its content, as build tools write it: "app.3f2a91bc.js", "index-B7xQ2kLm.css". It is
/// taken for one only where little else looks so, since what has one may be kept for ever: eight letters and digits or
/// more, both of them, between a separator and the extension; small letters up to f, or small and capital ones.
bool is_fingerprinted(std::string_view path);

/// Of a page. `is_public`: everybody may read it. `for_ever`: at this address there never is anything else.
std::string cache_control(bool is_public, bool for_ever);

}  // namespace slipway::publish
