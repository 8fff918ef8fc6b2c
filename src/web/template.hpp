#pragma once
// Templates (mustache, which escapes whatever it puts into HTML) and what they are filled with: the JSON that scripts
// get.

#include "base/json.hpp"

#include <string>

namespace slipway::web {

/// The template of that name, filled. Of an element that is `null`, false or an empty list, a section is left out.
std::string fill(std::string_view name, const Json& content);

/// The same within layout.html, whose title and home it is given: the relative path to the beginning of the site.
std::string page(std::string_view name, const std::string& title, const std::string& home, const Json& content);

/// Where a page has a file of assets/, below its site: named by content, so that it is kept for good.
std::string asset_path(std::string_view name);

}  // namespace slipway::web
