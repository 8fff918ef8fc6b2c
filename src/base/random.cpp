#include "base/random.hpp"

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <openssl/rand.h>
#include <vector>

namespace slipway {

static void fill_randomly(std::span<std::byte> out) {
  SLIPWAY_INVARIANT(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size())) == 1);
}

std::string random_hex(std::size_t bytes) {
  std::vector<std::byte> buffer(bytes);
  fill_randomly(buffer);
  return to_hex(buffer);
}

std::string unique_hex() {
  static const auto start = [] {
    std::array<std::byte, 8> bytes;
    fill_randomly(bytes);
    return std::bit_cast<std::uint64_t>(bytes);
  }();
  static std::atomic<std::uint64_t> count{0};
  // SplitMix64 (Steele, Lea, Flood 2014): a step by an odd number, then a mixture that no two numbers share.
  auto x = start + count.fetch_add(1, std::memory_order_relaxed) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  x ^= x >> 31;
  return to_hex(std::as_bytes(std::span(&x, 1)));
}

}  // namespace slipway
