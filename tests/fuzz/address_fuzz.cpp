// Listen addresses and networks: what is accepted is a numeric address or a path that the kernel can be told, written
// back it reads the same, and a network contains its own address.

#include "http/address.hpp"
#include "input.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

using namespace slipway;

namespace {

/// The text is an address all through, not only up to a NUL.
bool is_address(std::string_view text) {
  const std::string address(text);
  in6_addr out{};
  return text.find('\0') == text.npos &&
         (::inet_pton(AF_INET, address.c_str(), &out) == 1 || ::inet_pton(AF_INET6, address.c_str(), &out) == 1);
}

bool contains(const char* network, std::string_view address) {
  return http::Network::parse(network)->contains(address);
}

std::string text_of(const http::ListenAddress& address) {
  std::string out = !address.tls ? "" : *address.tls ? "https://" : "http://";
  if (!address.unix_path.empty()) return out + "unix:" + address.unix_path;
  const bool v6 = address.host.find(':') != address.host.npos;
  return out + (v6 ? "[" : "") + address.host + (v6 ? "]:" : ":") + std::to_string(address.port);
}

void check_listen(std::string_view text) {
  const auto address = http::ListenAddress::parse(text);
  if (!address) {
    SLIPWAY_INVARIANT(address.error().failure == Failure::invalid);
    return;
  }
  if (address->host.empty()) {
    SLIPWAY_INVARIANT(!address->unix_path.empty() && address->unix_path.size() < sizeof(sockaddr_un::sun_path));
    SLIPWAY_INVARIANT(address->unix_path.find('\0') == std::string::npos && address->is_local());
  } else {
    SLIPWAY_INVARIANT(address->unix_path.empty() && is_address(address->host));
    if (address->is_local())
      SLIPWAY_INVARIANT(contains("127.0.0.0/8", address->host) || contains("::1", address->host));
  }
  const auto again = http::ListenAddress::parse(text_of(*address));
  SLIPWAY_INVARIANT(again && again->host == address->host && again->port == address->port &&
                    again->unix_path == address->unix_path && again->tls == address->tls);
}

void check_network(std::string_view text) {
  const auto network = http::Network::parse(text);
  if (!network) {
    SLIPWAY_INVARIANT(network.error().failure == Failure::invalid);
    return;
  }
  const auto slash = text.find('/');
  const auto address = text.substr(0, slash);
  SLIPWAY_INVARIANT((address == "unix" || is_address(address)) && network->contains(address));
  SLIPWAY_INVARIANT(network->contains("unix") == (address == "unix"));
  // Without a prefix length it is one address: two that differ cannot both be in it.
  if (slash == text.npos) SLIPWAY_INVARIANT(!network->contains("203.0.113.7") || !network->contains("2001:db8::7"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = Input(data, size).rest();
  check_listen(text);
  check_network(text);
  return 0;
}
