#pragma once
// A blocking HTTP/1.1 client, by libcurl: one request at a time and thread, over connections that are kept.

#include "base/fd.hpp"
#include "base/result.hpp"
#include "http/message.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <sys/socket.h>
#include <variant>
#include <vector>

namespace slipway::http {

struct ClientResponse;

struct ClientRequest {
  std::string method = "GET";
  std::string url;                   ///< http://, https://, or unix:/path/to.sock followed by nothing
  std::string target;                ///< "/api/v1/…", appended to the url, and sent as it is
  std::vector<std::string> headers;  ///< "Name: value"
  /// What is sent, with a Content-Length; read from memory or the file as the peer takes it.
  std::variant<std::monostate, ByteView, FileSlice> body;
  /// Takes the body of an answer with `sink_status` as it comes; an error ends the exchange and is returned. Without
  /// one, as for all other answers, the body is in the response.
  std::function<Result<>(ByteView)> sink;
  int sink_status = 200;
  /// Called with status and fields before the sink's first bytes; an error ends the exchange and is returned.
  std::function<Result<>(const ClientResponse& head)> on_head;
  std::string ca_file;                        ///< PEM to trust besides the system's; empty: the system's
  std::chrono::milliseconds timeout{60'000};  ///< of the whole exchange; 0: none
  std::chrono::seconds stall_timeout{60};     ///< without a byte in either direction
  std::uint64_t rate_min = 1;                 ///< bytes a second: slower than that for `stall_timeout` is a stall, too
  std::size_t answer_bytes_max = 64U << 20;   ///< of a body that is not for the sink
  /// Asked of each address before it is connected to; false passes it over. Without one, all may be.
  std::function<bool(const sockaddr& address)> may_connect;
  /// Asked about once a second; true ends the exchange. Without one, nothing does.
  std::function<bool()> is_stopped;
};

struct ClientResponse {
  int status = 0;
  Headers headers;  ///< at most 100 of them, 64 KiB
  std::string body;
  /// A connection that was kept may have broken while it was asked, and another one been asked in its place.
  bool maybe_sent_twice = false;
};

/// Whether asking again may help where no answer came.
bool may_pass(const Error& error);

/// Keeps connections for the requests to come. Safe to call from any thread; as many connections as callers at once.
class Client {
public:
  /// Up to `idle_max` connections wait to be used again.
  explicit Client(std::size_t idle_max);
  ~Client();

  /// Any status is an answer. Where there was none, naming the url and curl's reason: Failure::unavailable where nobody
  /// took the connection, io where it broke off; too_large past a limit; what the sink returned. Follows no redirects.
  /// A request may be sent twice: where a kept connection turns out to have been closed, it is sent again on a new one.
  Result<ClientResponse> fetch(const ClientRequest& request);

private:
  struct Handle;
  std::unique_ptr<Handle> take();
  void give_back(std::unique_ptr<Handle> handle);

  const std::size_t m_idle_max;
  std::mutex m_mutex;  // guards what follows
  std::vector<std::unique_ptr<Handle>> m_idle;
};

/// One request on a connection of its own.
Result<ClientResponse> fetch(const ClientRequest& request);

}  // namespace slipway::http
