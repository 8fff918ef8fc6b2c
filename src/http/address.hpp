#pragma once
// Where to listen, and which addresses belong to a network.

#include "base/fd.hpp"
#include "base/result.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace slipway::http {

/// One `listen` setting: "127.0.0.1:5000", "[::1]:5000", "0.0.0.0:443", "unix:/run/slipway.sock", optionally with
/// "http://" or "https://" in front. Port 0 picks a free one.
struct ListenAddress {
  std::string host;  ///< an IPv4 or IPv6 address, without brackets; empty for a unix socket
  std::uint16_t port = 0;
  std::string unix_path;
  std::optional<bool>
      tls;  ///< as the scheme said; without one, TLS where a certificate is configured and it is not a unix socket

  static Result<ListenAddress> parse(std::string_view text);
  /// Only this machine can reach it.
  bool is_local() const;
};

/// A bound, listening socket. A stale unix socket file nobody listens on is replaced.
Result<Fd> listen_on(const ListenAddress& address);

/// "http://127.0.0.1:5000": where a client finds the socket; the port is the real one.
std::string url_of(const ListenAddress& address, int listening_fd, bool tls);

/// The peer's address without port; "unix" for unix sockets.
std::string peer_of(const sockaddr& address);

/// An address or a network in CIDR notation, or "unix"; IPv4-mapped IPv6 addresses match their IPv4 form.
class Network {
public:
  static Result<Network> parse(std::string_view text);
  bool contains(std::string_view address) const;

private:
  bool m_unix = false;
  std::array<std::byte, 16> m_prefix{};
  unsigned m_bits = 128;
};

}  // namespace slipway::http
