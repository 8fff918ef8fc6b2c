#pragma once
// The file `repo` at a repository's root (opam's manual, "repo").

#include "opam/syntax.hpp"

namespace slipway::opam {

/// What is published for `text`, which the git repository has: the same, with `stamp: "COMMIT"` and with "cache", which
/// is ours, among its archive mirrors. Failure::invalid, naming line and column, where it cannot be read.
Result<std::string> published_repository_file(std::string_view text, std::string_view commit);

}  // namespace slipway::opam
