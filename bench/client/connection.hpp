#pragma once
// The HTTP that a load client needs: one keep-alive connection to a server on this machine, blocking, with bodies that
// are sent from where they lie and dropped by the kernel where they arrive. A client that copied them would be slower
// than the servers it measures.

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench {

using Clock = std::chrono::steady_clock;

/// A server did something else than the measurement asked for. It ends the run: whoever fails quickly must not win.
struct LoadError : std::runtime_error {
  using runtime_error::runtime_error;
};

struct Answer {
  int status = 0;
  std::string location;     ///< the Location field, or empty
  std::uint64_t bytes = 0;  ///< of the body, as far as it was received
  bool whole = true;        ///< false: the time was up in the middle of the body
  double waited_ms = 0;     ///< from the last byte that was sent to the head of the answer
};

/// Where a server listens: on an address of this machine's own, in the order of the host.
struct Place {
  std::uint32_t address = 0x7f000001;
  std::uint16_t port = 0;
  auto operator<=>(const Place&) const = default;
};
/// Of an absolute URL with a numeric host and a port.
Place place_of(std::string_view url);
std::string text_of(const Place& place);

/// Belongs to one thread. Connects when it is first used, and again after an answer that ended the connection.
class Connection {
public:
  explicit Connection(const Place& place) : m_place(place) {}
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a request and receives its answer. `fields` are whole lines, each with its CRLF; Host and, where there is a
  /// body, Content-Length are added. Throws LoadError unless the status is `expected`, or
  /// that of a GET 307. An answer to GET is left in the
  /// middle, and the connection closed, when `deadline` has passed.
  Answer exchange(std::string_view method, std::string_view target, int expected, std::string_view fields = {},
                  std::initializer_list<std::string_view> body = {},
                  Clock::time_point deadline = Clock::time_point::max());

  /// Connects now, so that the first request is no dearer than the others.
  void connect();

private:
  struct Head {
    std::uint64_t content_length = 0;
    bool ends_connection = false;
  };

  void close();
  void send(std::string_view head, std::initializer_list<std::string_view> body);
  std::string receive_head(std::string& rest);
  static Head read_head(std::string_view text, Answer& answer);

  Place m_place;
  int m_socket = -1;
};

}  // namespace bench
