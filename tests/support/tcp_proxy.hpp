#pragma once
// A stretch of network between a client and a server on loopback, where tests let things go wrong: it passes bytes
// through, and stalls, cuts or refuses when it is told to.

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <list>
#include <mutex>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace slipway::test {

/// Safe to call from any thread.
class TcpProxy {
public:
  enum class Way { to_server, to_client };

  /// In front of 127.0.0.1:`server_port`.
  explicit TcpProxy(std::uint16_t server_port) : m_server_port(server_port) {
    m_listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(0);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(m_listener, any, size) < 0 || ::listen(m_listener, 64) < 0 || ::getsockname(m_listener, any, &size) < 0)
      throw std::runtime_error("no listener");
    m_port = ntohs(address.sin_port);
    m_thread = std::thread([this] { accept_all(); });
  }
  TcpProxy(const TcpProxy&) = delete;
  ~TcpProxy() {
    m_is_closing = true;
    ::shutdown(m_listener, SHUT_RDWR);
    m_thread.join();
    for (auto& connection : m_connections) connection.thread.join();
    ::close(m_listener);
  }

  std::uint16_t port() const { return m_port; }
  /// Connections that came so far.
  int accepted() const { return m_accepted; }

  /// From now on new connections end as soon as they begin.
  void refuse(bool refuses = true) { m_refuses = refuses; }
  /// From now on nothing passes; the connections stay.
  void stall(bool stalls = true) { m_stalls = stalls; }
  /// Ends all connections there are.
  void cut() { ++m_cuts; }
  /// Once: ends the connection that has passed the last of so many more bytes this way, all connections taken together.
  void cut_after(Way way, std::int64_t bytes) {
    m_left_to_server = m_left_to_client = no_limit;
    left(way) = bytes;
  }
  /// Once, as soon as the client sends `text`: with `passes`, the server gets it, and its answer is lost; else it does
  /// not get it either.
  void cut_at(std::string text, bool passes) {
    const std::lock_guard lock(m_mutex);
    m_text = std::move(text);
    m_passes = passes;
    m_is_armed = true;
  }
  /// Whether that has happened.
  bool has_cut() const { return !m_is_armed; }

private:
  struct Connection {
    int client = -1;
    int server = -1;
    bool is_muted = false;  // the server's answer ends the connection instead of reaching the client
    std::thread thread;
  };

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  std::atomic<std::int64_t>& left(Way way) { return way == Way::to_server ? m_left_to_server : m_left_to_client; }

  void accept_all() {
    for (;;) {
      const int client = ::accept4(m_listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      ++m_accepted;
      const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const auto address = loopback(m_server_port);
      if (m_refuses || ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        ::close(client);
        ::close(server);
        continue;
      }
      auto& connection = m_connections.emplace_back();
      connection.client = client;
      connection.server = server;
      connection.thread = std::thread([this, &connection] { serve(connection); });
    }
  }

  void serve(Connection& connection) {
    const int cuts = m_cuts;
    while (!m_is_closing && cuts == m_cuts) {
      pollfd waiting[] = {{connection.client, POLLIN, 0}, {connection.server, POLLIN, 0}};
      if (m_stalls) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      if (::poll(waiting, 2, 5) <= 0) continue;
      if (waiting[0].revents != 0 && !pass(connection, Way::to_server)) break;
      if (waiting[1].revents != 0 && !pass(connection, Way::to_client)) break;
    }
    ::close(connection.client);
    ::close(connection.server);
  }

  /// False where the connection ends.
  bool pass(Connection& connection, Way way) {
    const bool to_server = way == Way::to_server;
    char buffer[16384];
    const auto n = ::recv(to_server ? connection.client : connection.server, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    if (!to_server && connection.is_muted) return false;
    if (to_server && is_awaited({buffer, static_cast<std::size_t>(n)})) {
      if (!m_passes) return false;
      connection.is_muted = true;
    }
    const auto before = left(way).fetch_sub(n);
    const auto passing = std::min<std::int64_t>(n, before);
    for (std::int64_t sent = 0; sent < passing;) {
      const auto some = ::send(to_server ? connection.server : connection.client, buffer + sent,
                               static_cast<std::size_t>(passing - sent), MSG_NOSIGNAL);
      if (some <= 0) return false;
      sent += some;
    }
    if (passing == n) return true;
    left(way) = no_limit;
    return false;
  }

  bool is_awaited(std::string_view bytes) {
    const std::lock_guard lock(m_mutex);
    return bytes.find(m_text) != bytes.npos && m_is_armed.exchange(false);
  }

  const std::uint16_t m_server_port;
  int m_listener = -1;
  std::uint16_t m_port = 0;
  std::atomic<bool> m_is_closing{false}, m_refuses{false}, m_stalls{false};
  std::atomic<int> m_accepted{0}, m_cuts{0};
  static constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> m_left_to_server{no_limit}, m_left_to_client{no_limit};

  std::mutex m_mutex;  // guards the text
  std::string m_text;
  std::atomic<bool> m_passes{false}, m_is_armed{false};

  std::list<Connection> m_connections;  // the accepting thread's until it has ended
  std::thread m_thread;
};

}  // namespace slipway::test
