#pragma once
// What a folder without an index shows, where the site wants that.

#include "publish/pages.hpp"

#include <string>

namespace slipway::publish {

/// How much a page has; what is left is a link away.
inline constexpr std::size_t folder_page_entries_max = 1000;

/// HTML. `path` is where the folder is, decoded; it has a parent where `has_parent`.
std::string folder_page(const std::string& path, bool has_parent, const Folder& folder);

}  // namespace slipway::publish
