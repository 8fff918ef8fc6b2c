#pragma once
// What is wrong, or worth a look, with the sources that packages name.

#include "opam/packages.hpp"

namespace slipway::opam {

struct SourceFinding {
  enum class Kind {
    invalid,        ///< a checksum that is none
    unverifiable,   ///< no checksum: no cache has it, and nobody can tell what came
    weak,           ///< MD5 alone
    other_address,  ///< the same checksum as another package's, which comes from elsewhere: a forgotten change, perhaps
    other_bytes,    ///< another package lists other checksums for the same address: one of them cannot be had
  };
  Kind kind;
  PackageName package;
  std::string text;  ///< a sentence
};
std::string_view name_of(SourceFinding::Kind kind);

/// Of all packages, in their order; of two that do not agree, of the later one.
std::vector<SourceFinding> check_sources(const PackageList& packages);

}  // namespace slipway::opam
