#pragma once
// Whether a compressed file is another file, compressed: only then it is sent in its place.

#include "base/fd.hpp"
#include "publish/tree.hpp"

namespace slipway::publish {

/// True if `packed`, all of it, unpacks to `size` bytes that have that digest, in a way that every client of the coding
/// unpacks: zstd with windows of at most 8 MiB (RFC 9659). Stops where there are more. Holds some 8 MiB at most.
Result<bool> unpacks_to(const FileSlice& packed, Coding coding, const Digest& digest, std::uint64_t size);

}  // namespace slipway::publish
