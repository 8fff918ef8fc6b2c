#pragma once
// Views of bytes and ranges of them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

/// Bytes somebody else owns; valid as long as the owner says.
using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// `length` bytes from `offset`. What it lies in says how large it may be.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool operator==(const ByteRange&) const = default;
};

std::string to_hex(ByteView bytes);

/// False unless `hex` is exactly out.size() pairs of lower-case hexadecimal digits.
bool from_hex(std::string_view hex, std::span<std::byte> out);

/// "5.0 GiB", "17 B": for people, never for parsing.
std::string human_size(std::uint64_t bytes);

}  // namespace slipway
