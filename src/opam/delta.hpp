#pragma once
// What turns one version of a file into another, as HTTP can send it: Compression Dictionary Transport (RFC 9842), with
// Zstandard (RFC 8878).

#include "base/digest.hpp"
#include "base/fd.hpp"

namespace slipway::opam {

/// `after` as dcz (RFC 9842 §5) by the dictionary `before`, of which `digest` is the SHA-256. too_large where that is
/// more than 4 MiB, or one of them more than 100 MiB, which clients need not take. Both are mapped while it runs.
Result<std::string> make_delta(const FileSlice& before, const Digest& digest, const FileSlice& after);

/// The dictionary that a request says it has, by the field Available-Dictionary; nothing where it says none.
std::optional<Digest> parse_available_dictionary(std::string_view field);
/// A string of structured fields (RFC 8941 §3.3.3), as Dictionary-ID is one; nothing where it is none.
std::optional<std::string> parse_structured_string(std::string_view field);

}  // namespace slipway::opam
