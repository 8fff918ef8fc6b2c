#pragma once
// A non-blocking byte pipe to one peer: a plain socket or TLS on it (tls.hpp). The connection above never knows which.

#include "base/fd.hpp"

#include <cstddef>
#include <memory>

namespace slipway::http {

enum class IoState {
  ok,          ///< some bytes moved
  want_read,   ///< nothing now: wait until the socket is readable
  want_write,  ///< nothing now: wait until the socket is writable
  closed,      ///< the peer is done, or the connection is broken
};

struct IoResult {
  IoState state = IoState::ok;
  std::size_t bytes = 0;
};

/// One owner at a time. Nothing here blocks.
class Transport {
public:
  virtual ~Transport() = default;
  virtual int fd() const = 0;
  /// Ok once bytes may flow.
  virtual IoState handshake() = 0;
  virtual IoResult read(std::span<std::byte> out) = 0;
  /// `more`: further bytes follow at once, so a small packet may wait for them.
  virtual IoResult write(ByteView bytes, bool more) = 0;
  /// Ships up to `range.length` bytes of a file; bytes = 0 with ok never happens except at a truncated file's end
  /// (closed).
  virtual IoResult send_file(int file, ByteRange range) = 0;
  /// Decrypted bytes are waiting inside, for which the socket will not become readable.
  virtual bool has_pending() const { return false; }
  /// Tells the peer that nothing more comes; reading goes on.
  virtual void finish_writing() = 0;
  virtual bool is_tls() const { return false; }
};

std::unique_ptr<Transport> plain_transport(Fd socket);

}  // namespace slipway::http
