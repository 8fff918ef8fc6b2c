#pragma once
// What the configuration says of plain HTTP caches.

#include <cstdint>

namespace slipway::cas {

struct CacheOptions {
  std::uint64_t bytes_max = 10ULL << 30;       ///< of one cache
  std::uint64_t entry_bytes_max = 1ULL << 30;  ///< 413 past it
};

}  // namespace slipway::cas
