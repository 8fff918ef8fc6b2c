#pragma once
// What a pack looks like, wherever it lies: 16 bytes of magic, then for each blob a header (its id and its size, 64
// bits each, little-endian) and its bytes.

#include "blob/store.hpp"

namespace slipway::blob {

constexpr std::string_view pack_magic = "slipway pack 1\n\n";
constexpr std::size_t pack_header_bytes = 16;

/// Appends a blob with its header; returns where in `out` its bytes begin.
inline std::uint64_t append_packed(std::string& out, const SmallBlob& blob) {
  SLIPWAY_INVARIANT(blob.bytes.size() <= small_bytes_max);
  for (const std::uint64_t number : {number_of(blob.id), std::uint64_t{blob.bytes.size()}})
    for (unsigned shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(number >> shift));
  out.append(as_text(blob.bytes));
  return out.size() - blob.bytes.size();
}

}  // namespace slipway::blob
