#pragma once
// What Content-Type says of a file, by its name.

#include <string>
#include <string_view>

namespace slipway::publish {

/// "text/html; charset=utf-8" of "a/b.html"; "application/octet-stream" of what is not known. Text is taken for UTF-8.
std::string media_type_of(std::string_view path);

}  // namespace slipway::publish
