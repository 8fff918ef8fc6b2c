#pragma once
// What a request is when a handler sees it, and what a handler gives back. Plain data: no socket in sight.

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "http/target.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace slipway::http {

enum class Method { get, head, post, put, patch, del, options, propfind, other };
Method method_named(std::string_view name);
std::string_view name_of(Method method);
/// POST, PUT and PATCH: what comes with them is to be kept.
constexpr bool brings_content(Method method) {
  return method == Method::post || method == Method::put || method == Method::patch;
}

bool equal_ignoring_case(std::string_view a, std::string_view b);

/// Header fields in the order they came. Names compare without case (RFC 9110 §5.1). Small, so searched linearly.
class Headers {
public:
  void add(std::string name, std::string value);
  /// Replaces every field of that name.
  void set(std::string name, std::string value);
  void remove(std::string_view name);
  /// The first field's value, or an empty view; valid until the next change.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  /// All values of a list field joined by ", " (RFC 9110 §5.2): several Accept lines are one list.
  std::string combined(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return m_fields; }

private:
  std::vector<std::pair<std::string, std::string>> m_fields;
};

/// A complete head, checked and decoded.
struct Request {
  Method method = Method::get;
  Target target;
  Headers headers;
  std::optional<std::uint64_t> content_length;  ///< absent for chunked bodies and where there is none
  bool has_body = false;
  bool http_1_0 = false;
  bool keep_alive = true;

  std::string host;    ///< what the client calls this server, with its port; by the word of a trusted proxy or its own
  std::string client;  ///< the client's address, as a trusted proxy told it where there is one; "unix" on a unix socket
  bool secure = false;   ///< the client spoke TLS, to us or to a trusted proxy
  std::string id;        ///< for logs and answers: X-Request-Id of a trusted proxy, else unique_hex()
  std::string trace_id;  ///< of a well-formed `traceparent` (W3C Trace Context), else empty

  // What a handler found out, for the access log and metrics. Must point to text that outlives the request: a literal.
  std::string_view route = "unrouted";
  std::string user;
};

/// Bytes of an answer: none, text of its own, text it shares (a cached manifest), or a part of a file.
using Body = std::variant<std::monostate, std::string, std::shared_ptr<const std::string>, FileSlice>;
std::uint64_t size_of(const Body& body);

struct Response {
  int status = 200;
  Headers headers;  ///< without Content-Length, Date and Connection, which the connection adds
  Body body;
  bool close = false;  ///< end the connection after this answer
  /// Answers instead where the body comes from elsewhere and its beginning cannot be had; without it: 503.
  std::function<Response(const Error&)> otherwise = {};

  static Response text(int status, std::string body);
  static Response json(int status, std::string body);
  /// 304, 204 and the like.
  static Response empty(int status) { return Response{status, {}, {}, false}; }
};

/// Takes a request's body in pieces, on one thread at a time, though not always the same one. Destroyed without
/// finish() when the client went away.
class BodySink {
public:
  virtual ~BodySink() = default;
  /// Where in its file the body begins. Pieces end at multiples of their size there, as files are written fastest.
  virtual std::uint64_t starts_at() const { return 0; }
  /// The next piece, valid during the call. A response refuses the rest of the body.
  virtual std::optional<Response> write(ByteView piece) = 0;
  /// All pieces came.
  virtual Response finish() = 0;
};

/// Collects a small body and hands it on; past `size_max` it answers `too_large`.
std::unique_ptr<BodySink> collect_body(std::size_t size_max, Response too_large,
                                       std::function<Response(std::string)> finish);

/// What a handler gives for a complete head: the answer, or somewhere for the body to go. A response to a request that
/// has a body refuses the body.
using Answer = std::variant<Response, std::unique_ptr<BodySink>>;

/// Runs ordinary blocking code on a worker; may be called on several threads at once. The request outlives the sink.
using Handler = std::function<Answer(Request&)>;

std::string_view reason_of(int status);

}  // namespace slipway::http
