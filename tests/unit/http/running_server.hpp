#pragma once
// A server in this process on a free port, for as long as the object lives.

#include "base/log.hpp"
#include "http/server.hpp"
#include "raw_client.hpp"

#include <csignal>

namespace slipway::http {

class RunningServer {
public:
  explicit RunningServer(Handler handler, Limits limits = {}, ServerOptions options = {}) {
    log::set_level(log::Level::off);  // what goes wrong on purpose is no news
    std::signal(SIGPIPE, SIG_IGN);    // as `slipway serve` does: OpenSSL writes without MSG_NOSIGNAL
    if (options.listen.empty()) options.listen = {*ListenAddress::parse("127.0.0.1:0")};
    options.limits = limits;
    options.workers = 4;
    options.pumps = 1;
    options.log_requests = false;
    auto started = Server::start(std::move(options), std::move(handler), m_metrics);
    if (!started) throw std::runtime_error(started.error().message);
    m_server = std::move(*started);
  }
  ~RunningServer() {
    m_server.reset();
    log::set_level(log::Level::info);
  }

  RawClient connect() const { return RawClient(url()); }
  const std::string& url() const { return m_server->urls().front(); }
  std::string metrics() { return m_metrics.expose(); }
  void drain() { m_server->drain(); }

private:
  Metrics m_metrics;
  std::unique_ptr<Server> m_server;
};

/// Answers a body with itself.
class Echo final : public BodySink {
public:
  std::optional<Response> write(ByteView piece) override {
    m_body.append(as_text(piece));
    return std::nullopt;
  }
  Response finish() override { return Response::text(200, std::move(m_body)); }

private:
  std::string m_body;
};

}  // namespace slipway::http
