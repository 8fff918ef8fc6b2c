#pragma once
// Names of the files in a tree.

#include "base/result.hpp"

#include <string_view>

namespace slipway::publish {

inline constexpr std::size_t path_bytes_max = 1024;

/// Failure::invalid, saying what is wrong with it, unless `path` may name a file of a tree, wherever that is served or
/// extracted: parts of UTF-8 joined by '/', each of at most 255 bytes, none empty, "." or ".."; no control characters
/// and no backslash; not beginning like `@sha256:…`, by which old snapshots are reached.
Result<> check_path(std::string_view path);

/// A part of a path that begins so is a snapshot's digest, or nothing.
bool names_snapshot(std::string_view part);

}  // namespace slipway::publish
