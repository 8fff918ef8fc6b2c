#include "http/address.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace slipway::http {
namespace {

using Packed = std::array<std::byte, 16>;

/// Any IP address as IPv6, IPv4 mapped to ::ffff:a.b.c.d.
std::optional<Packed> packed(std::string_view text) {
  const std::string address(text);
  if (text.find('\0') != text.npos) return std::nullopt;  // inet_pton would not see what follows it
  Packed out{};
  if (::inet_pton(AF_INET6, address.c_str(), out.data()) == 1) return out;
  out[10] = out[11] = std::byte{0xff};
  if (::inet_pton(AF_INET, address.c_str(), out.data() + 12) == 1) return out;
  return std::nullopt;
}

bool is_ipv4(const std::string& host) { return host.find(':') == host.npos; }

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress socket_address(const ListenAddress& address) {
  SocketAddress out;
  if (!address.unix_path.empty()) {
    auto& unix_address = reinterpret_cast<sockaddr_un&>(out.storage);
    unix_address.sun_family = AF_UNIX;
    address.unix_path.copy(unix_address.sun_path, sizeof unix_address.sun_path - 1);
    out.size = sizeof unix_address;
  } else if (is_ipv4(address.host)) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    ::inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr);
    out.size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr);
    out.size = sizeof v6;
  }
  return out;
}

/// Removes a socket file that a killed server left behind: one that nobody accepts on.
void remove_stale_socket(const std::string& path, const SocketAddress& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) < 0 &&
      errno == ECONNREFUSED)
    ::unlink(path.c_str());
}

}  // namespace

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
  const auto bad = [&] {
    return fail(Failure::invalid,
                fmt::format("'{}' is not a listen address: expected HOST:PORT with a numeric address such as "
                            "127.0.0.1:5000 or [::1]:5000, or unix:/path",
                            text));
  };
  ListenAddress out;
  auto rest = text;
  if (rest.starts_with("http://"))
    out.tls = false, rest.remove_prefix(7);
  else if (rest.starts_with("https://"))
    out.tls = true, rest.remove_prefix(8);
  if (rest.starts_with("unix:")) {
    out.unix_path = rest.substr(5);
    if (out.unix_path.empty() || out.unix_path.size() >= sizeof(sockaddr_un::sun_path)) return bad();
    if (out.unix_path.find('\0') != std::string::npos) return bad();
    return out;
  }
  const auto colon = rest.rfind(':');
  if (colon == rest.npos) return bad();
  auto host = rest.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto port = number<std::uint16_t>(rest.substr(colon + 1));
  if (!port || !packed(host) || bracketed != (host.find(':') != host.npos)) return bad();
  out.host = host;
  out.port = *port;
  return out;
}

bool ListenAddress::is_local() const {
  if (!unix_path.empty() || host == "::1") return true;
  return is_ipv4(host) && host.starts_with("127.");
}

Result<Fd> listen_on(const ListenAddress& address) {
  const auto where = address.unix_path.empty() ? fmt::format("{}:{}", address.host, address.port) : address.unix_path;
  const auto target = socket_address(address);
  if (!address.unix_path.empty()) remove_stale_socket(address.unix_path, target);
  Fd fd(::socket(target.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "opening a socket for " + where);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (target.storage.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&target.storage), target.size) < 0)
    return fail_errno(errno, "listening on " + where);
  if (::listen(fd.get(), 4096) < 0) return fail_errno(errno, "listening on " + where);
  return fd;
}

std::string url_of(const ListenAddress& address, int listening_fd, bool tls) {
  if (!address.unix_path.empty()) return "unix:" + address.unix_path;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(listening_fd, reinterpret_cast<sockaddr*>(&bound), &size);
  const auto port = ntohs(bound.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(bound).sin_port
                                                     : reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
  const auto host = is_ipv4(address.host) ? address.host : "[" + address.host + "]";
  return fmt::format("{}://{}:{}", tls ? "https" : "http", host, port);
}

std::string peer_of(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else if (address.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  } else {
    return "unix";
  }
  return text;
}

Result<Network> Network::parse(std::string_view text) {
  Network out;
  if (text == "unix") {
    out.m_unix = true;
    return out;
  }
  const auto slash = text.find('/');
  const auto prefix = packed(text.substr(0, slash));
  const bool v4 = text.substr(0, slash).find(':') == text.npos;
  const auto bits =
      slash == text.npos ? std::optional<unsigned>(v4 ? 32 : 128) : number<unsigned>(text.substr(slash + 1));
  if (!prefix || !bits || *bits > (v4 ? 32U : 128U))
    return fail(Failure::invalid,
                fmt::format("'{}' is not an address or network: expected such as 10.0.0.0/8, ::1 or unix", text));
  out.m_prefix = *prefix;
  out.m_bits = *bits + (v4 ? 96 : 0);
  return out;
}

bool Network::contains(std::string_view address) const {
  if (m_unix) return address == "unix";
  const auto candidate = packed(address);
  if (!candidate) return false;
  for (unsigned bit = 0; bit < m_bits; ++bit) {
    const auto mask = std::byte{0x80} >> (bit % 8);
    if ((m_prefix[bit / 8] & mask) != ((*candidate)[bit / 8] & mask)) return false;
  }
  return true;
}

}  // namespace slipway::http
