#pragma once

#include <compare>
#include <string_view>

namespace slipway::opam {

/// The order of opam's versions, which is Debian's (opamVersionCompare.ml; deb-version(7)): runs of digits count as
/// numbers, '~' comes before the end, letters before other characters.
std::weak_ordering compare_versions(std::string_view a, std::string_view b);

}  // namespace slipway::opam
