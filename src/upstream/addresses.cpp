#include "upstream/addresses.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <span>

namespace slipway::upstream {
namespace {

struct Network {
  std::uint32_t address;
  unsigned bits;
};

// The IANA registry of special-purpose addresses, multicast and what is reserved.
constexpr std::array<Network, 15> special = {{{0x00000000, 8},
                                              {0x0A000000, 8},
                                              {0x64400000, 10},
                                              {0x7F000000, 8},
                                              {0xA9FE0000, 16},
                                              {0xAC100000, 12},
                                              {0xC0000000, 24},
                                              {0xC0000200, 24},
                                              {0xC0586300, 24},
                                              {0xC0A80000, 16},
                                              {0xC6120000, 15},
                                              {0xC6336400, 24},
                                              {0xCB007100, 24},
                                              {0xE0000000, 4},
                                              {0xF0000000, 4}}};

bool is_public_v4(std::uint32_t address) {
  return std::ranges::none_of(
      special, [&](const Network& network) { return (address ^ network.address) >> (32 - network.bits) == 0; });
}

std::uint32_t v4_at(std::span<const std::uint8_t, 16> bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 |
         bytes[at + 3];
}

bool begins_with(std::span<const std::uint8_t, 16> bytes, std::span<const std::uint8_t> prefix) {
  return std::ranges::equal(bytes.first(prefix.size()), prefix);
}

bool is_public_v6(std::span<const std::uint8_t, 16> bytes) {
  // Addresses that stand for one of IPv4: mapped, by NAT64 (RFC 6052), by 6to4 (RFC 3056).
  constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr std::array<std::uint8_t, 12> translated = {0, 0x64, 0xFF, 0x9B};
  constexpr std::array<std::uint8_t, 2> tunnelled = {0x20, 0x02};
  if (begins_with(bytes, mapped) || begins_with(bytes, translated)) return is_public_v4(v4_at(bytes, 12));
  if (begins_with(bytes, tunnelled)) return is_public_v4(v4_at(bytes, 2));
  constexpr std::array<std::uint8_t, 4> documentation = {0x20, 0x01, 0x0D, 0xB8};
  constexpr std::array<std::uint8_t, 2> also_documentation = {0x3F, 0xFF};
  const bool is_protocols = bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] < 2;  // 2001::/23, Teredo among them
  return bytes[0] >> 5 == 1 && !is_protocols && !begins_with(bytes, documentation) &&
         !begins_with(bytes, also_documentation);
}

}  // namespace

bool is_public(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return is_public_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  return is_public_v6(v6.sin6_addr.s6_addr);
}

}  // namespace slipway::upstream
