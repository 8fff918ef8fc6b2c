#pragma once
// What a pack looks like, wherever it lies: 16 bytes of magic, then for each blob a header (its id and its size, 64
// bits each, little-endian) and its bytes.

#include "blob/store.hpp"

namespace slipway::blob {

constexpr std::string_view pack_magic = "slipway pack 1\n\n";
constexpr std::size_t pack_header_bytes = 16;

/// Of a pack that a catalog of any origin names.
inline Result<> expect_pack_name(std::string_view key) {
  constexpr std::string_view folder = "packs/";
  constexpr std::size_t digits = 16;
  if (key.size() == folder.size() + digits && key.starts_with(folder) &&
      key.find_first_not_of("0123456789abcdef", folder.size()) == key.npos)
    return {};
  return fail(Failure::corrupt, "'" + std::string(key) + "' is no name of a pack");
}

/// Appends a blob with its header; returns where in `out` its bytes begin.
inline std::uint64_t append_packed(std::string& out, const SmallBlob& blob) {
  SLIPWAY_INVARIANT(blob.bytes.size() <= small_bytes_max);
  for (const std::uint64_t number : {number_of(blob.id), std::uint64_t{blob.bytes.size()}})
    for (unsigned shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(number >> shift));
  out.append(as_text(blob.bytes));
  return out.size() - blob.bytes.size();
}

}  // namespace slipway::blob
