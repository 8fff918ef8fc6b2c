#pragma once
// One HTTP/1.x message at a time: the head into a Request, then the body's framing (Content-Length or chunked) taken
// away. Boost.Beast's parser does the work, in parser.cpp alone.

#include "http/limits.hpp"
#include "http/message.hpp"

#include <functional>
#include <memory>

namespace slipway::http {

/// Why a head or a body cannot be accepted: the status to answer before the connection ends, and why.
struct Refusal {
  int status;
  std::string reason;
};

/// For one message; make a new one for the next. Not safe for concurrent use.
class MessageParser {
public:
  explicit MessageParser(const Limits& limits);
  ~MessageParser();

  /// Looks for a complete head at the start of `bytes`: how many bytes it took, 0 if more are needed (come back with
  /// the same bytes and more behind them).
  std::expected<std::size_t, Refusal> take_head(ByteView bytes);

  /// After take_head() took something: the request, with client, secure and id left to the caller.
  Request& request();

  /// Passes the body's bytes within `bytes` to `piece` (views into `bytes`; false stops) and returns how many bytes it
  /// used, framing included.
  std::expected<std::size_t, Refusal> take_body(ByteView bytes, const std::function<bool(ByteView)>& piece);

  /// The body, if any, is complete.
  bool done() const;
  /// Bytes of a Content-Length body still to come; nothing for a chunked one.
  std::optional<std::uint64_t> remaining() const;

private:
  class Impl;
  std::unique_ptr<Impl> m_impl;
};

}  // namespace slipway::http
