#pragma once
// Asks a Registry, or what else answers requests, without a server between: what a handler sees, and what becomes of a
// body it is given in pieces.

#include "oci/registry.hpp"

#include <vector>

namespace slipway::test {

/// One answer; `status` 0 where the client went away before it.
struct OciAnswer {
  int status = 0;
  http::Headers headers;
  std::string body;

  std::string header(std::string_view name) const { return std::string(headers.get(name)); }
  /// The code of the first error of the body.
  std::string code() const {
    const auto json = parse_json(body);
    return json && json->contains("errors") ? string_at((*json)["errors"][0], "code") : std::string();
  }
};

class OciClient {
public:
  explicit OciClient(oci::Registry& registry)
      : OciClient([&registry](http::Request& request) { return registry.handle(request); }) {}
  explicit OciClient(http::Handler handler) : m_handler(std::move(handler)) {}

  using Fields = std::vector<std::pair<std::string, std::string>>;

  /// Sends a body whole; `pieces` counts what it is handed on in.
  OciAnswer ask(const std::string& method, const std::string& target, const Fields& fields = {},
                std::string_view body = {}, std::size_t pieces = 1) {
    return exchange(method, target, fields, body, body.size(), pieces);
  }

  /// Sends the first half of a body, then goes away.
  void break_off(const std::string& method, const std::string& target, const Fields& fields, std::string_view body) {
    exchange(method, target, fields, body, body.size() / 2, 1);
  }

private:
  OciAnswer exchange(const std::string& method, const std::string& target, const Fields& fields, std::string_view body,
                     std::size_t arriving, std::size_t pieces) {
    http::Request request;
    request.method = http::method_named(method);
    request.target = http::parse_target(target).value();
    for (const auto& [name, value] : fields) request.headers.add(name, value);
    request.host = request.headers.get("Host");
    request.has_body = !body.empty();
    if (request.has_body) request.content_length = body.size();
    request.id = "test";
    auto answer = m_handler(request);
    if (auto* response = std::get_if<http::Response>(&answer)) return taken(std::move(*response));
    auto& sink = std::get<std::unique_ptr<http::BodySink>>(answer);
    const auto piece = std::max<std::size_t>(1, (arriving + pieces - 1) / pieces);
    for (std::size_t at = 0; at < arriving; at += piece)
      if (auto refusal = sink->write(as_bytes(body.substr(at, std::min(piece, arriving - at)))))
        return taken(std::move(*refusal));
    return arriving < body.size() ? OciAnswer() : taken(sink->finish());
  }

  static OciAnswer taken(http::Response response) {
    OciAnswer out{.status = response.status, .headers = std::move(response.headers), .body = {}};
    if (const auto* text = std::get_if<std::string>(&response.body)) out.body = *text;
    if (const auto* text = std::get_if<std::shared_ptr<const std::string>>(&response.body)) out.body = **text;
    if (const auto* slice = std::get_if<FileSlice>(&response.body); slice && slice->file) {
      out.body.resize(slice->range.length);
      static_cast<void>(read_some(*slice, std::as_writable_bytes(std::span(out.body)), 0));
    }
    return out;
  }

  http::Handler m_handler;
};

}  // namespace slipway::test
