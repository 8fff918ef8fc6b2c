#pragma once
// An answer on its way out: the head, then the body, as far as the peer takes it.

#include "http/message.hpp"
#include "http/transport.hpp"

namespace slipway::http {

enum class Shipping {
  done,     ///< all of it is with the kernel
  more,     ///< the allowance is used up; the peer would take more
  blocked,  ///< wait until the socket is writable
  cold,     ///< the next bytes are not in memory: have them read (ReadAhead) first
  broken,   ///< the peer is gone, or the file is shorter than promised
};

/// Not safe for concurrent use.
class Outgoing {
public:
  Outgoing() = default;
  /// `without_body` for HEAD, whose Content-Length is still the body's.
  Outgoing(Response response, const Request& request, bool close, bool without_body);

  /// Sends up to about `allowance` bytes. Of a body that comes from elsewhere nothing, its head included, before its
  /// beginning is there.
  Shipping ship(Transport& transport, std::size_t allowance);

  /// The part of a file that comes next, up to `window` bytes; empty where none does.
  FileSlice next_slice(std::size_t window) const;
  /// False where the next window of a file would have to be read from the disk. The ship() that follows takes the
  /// answer from here.
  bool is_warm();

  /// What to answer in place of a body that cannot be had; nothing where part of it is sent.
  std::optional<Response> instead(const Error& error) const;

  std::uint64_t bytes_sent() const { return m_head_sent + m_body_sent; }
  std::uint64_t body_bytes_sent() const { return m_body_sent; }

private:
  ByteView memory() const;
  void append_small_file();

  std::string m_head;
  Body m_body;
  std::function<Response(const Error&)> m_otherwise;
  std::size_t m_head_sent = 0;
  std::uint64_t m_body_sent = 0;
  std::uint64_t m_body_size = 0;
  std::uint64_t m_warm_until = 0;  // of the body, as far as it was looked at just now
};

/// How much of a file is checked for being in memory, and waited for, at a time.
inline constexpr std::size_t read_ahead_window = 1U << 20;
/// How much is asked for when the disk has to be waited for, so that the next windows come while this one is sent.
inline constexpr std::size_t read_ahead_bytes = 32U << 20;

}  // namespace slipway::http
