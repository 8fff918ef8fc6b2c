// The server when there is too much, too slow, or the end. See server_test.cpp for the ordinary day.

#include "running_server.hpp"

#include <future>
#include <latch>

namespace slipway::http {
namespace {

using std::chrono::milliseconds;

Answer hello(Request& request) {
  if (request.has_body) return std::make_unique<Echo>();
  return Response::text(200, "hello");
}

/// A handler that holds its requests until the test lets them go.
class Held {
public:
  Answer operator()(Request&) {
    entered.count_down();
    m_released.get_future().wait();
    return Response::text(200, "done");
  }
  void release() { m_released.set_value(); }
  std::latch entered{1};

private:
  std::promise<void> m_released;
};

TEST(ServerLimits, OneConnectionTooManyIsAnswered503) {
  Limits limits;
  limits.connections = 2;
  const RunningServer server(hello, limits);
  auto first = server.connect();
  auto second = server.connect();
  EXPECT_EQ(first.ask("GET /").status(), 200);
  EXPECT_EQ(second.ask("GET /").status(), 200);
  auto third = server.connect();
  const auto refused = third.answer();
  EXPECT_EQ(refused.status(), 503);
  EXPECT_TRUE(refused.has("Retry-After:"));
  EXPECT_EQ(first.ask("GET /").status(), 200);  // the others do not notice
}

TEST(ServerLimits, OneClientCannotTakeAllConnections) {
  Limits limits;
  limits.connections_per_client = 1;
  const RunningServer server(hello, limits);
  auto first = server.connect();
  EXPECT_EQ(first.ask("GET /").status(), 200);
  EXPECT_EQ(server.connect().answer().status(), 503);
}

TEST(ServerLimits, ProxiesMayHaveManyConnections) {
  Limits limits;
  limits.connections_per_client = 1;
  ServerOptions options;
  options.proxies = {*Network::parse("127.0.0.0/8")};
  const RunningServer server(hello, limits, options);
  auto first = server.connect();
  auto second = server.connect();
  EXPECT_EQ(first.ask("GET /").status(), 200);
  EXPECT_EQ(second.ask("GET /").status(), 200);
}

TEST(ServerLimits, AClosedConnectionMakesRoomForAnother) {
  Limits limits;
  limits.connections = 1;
  const RunningServer server(hello, limits);
  {
    EXPECT_EQ(server.connect().ask("GET /", "Connection: close\r\n").status(), 200);
  }
  // The server learns of the end in its own time: until then it refuses, and afterwards it must not.
  int status = 503;
  while (status != 200) {
    auto client = server.connect();
    status = client.ask("GET /").status();
    ASSERT_TRUE(status == 200 || status == 503 || status == 0) << status;
  }
}

TEST(ServerLimits, AHeadTooLargeIsAnswered431) {
  Limits limits;
  limits.head_bytes = 2048;
  limits.header_count = 10;
  const RunningServer server(hello, limits);
  EXPECT_EQ(server.connect().ask("GET /", "X: " + std::string(10'000, 'x') + "\r\n").status(), 431);
  std::string many;
  for (int i = 0; i < 20; ++i) many += "X: 1\r\n";
  EXPECT_EQ(server.connect().ask("GET /", many).status(), 431);
  EXPECT_EQ(server.connect().ask("GET /").status(), 200);
}

TEST(ServerLimits, ASlowHeadIsAnswered408) {
  Limits limits;
  limits.head_timeout = milliseconds(200);
  const RunningServer server(hello, limits);
  auto client = server.connect();
  client.send("GET / HTTP/1.1\r\nHos");
  EXPECT_EQ(client.answer().status(), 408);
  EXPECT_EQ(client.rest(), "");
}

TEST(ServerLimits, AnIdleConnectionIsEndedWithoutAWord) {
  Limits limits;
  limits.idle_timeout = milliseconds(200);
  const RunningServer server(hello, limits);
  auto client = server.connect();
  EXPECT_EQ(client.ask("GET /").status(), 200);
  EXPECT_EQ(client.rest(), "");
}

TEST(ServerLimits, ABodyThatStandsStillIsAnswered408) {
  Limits limits;
  limits.rate_window = milliseconds(200);
  limits.min_rate = 1'000'000;
  const RunningServer server(hello, limits);
  auto client = server.connect();
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
  EXPECT_EQ(client.answer().status(), 408);
}

TEST(ServerLimits, AReaderThatStandsStillIsCutOff) {
  Limits limits;
  limits.rate_window = milliseconds(200);
  limits.min_rate = 1'000'000;
  const auto content = std::make_shared<const std::string>(std::string(64U << 20, 'x'));
  RunningServer server([&](Request&) -> Answer { return Response{200, {}, content, false}; }, limits);
  auto client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  // It reads nothing until the server has given it up, which the metrics tell.
  while (server.metrics().find("slipway_http_requests_total{code=\"200\"") == std::string::npos) {
    std::this_thread::yield();
  }
  EXPECT_LT(client.rest().size(), content->size());
}

TEST(ServerLimits, BodiesThatNeedTooMuchMemoryAreStillTaken) {
  Limits limits;
  limits.body_buffer_bytes = 1;  // always exceeded: each piece is handed on at once
  const RunningServer server(hello, limits);
  auto client = server.connect();
  const std::string content(300'000, 'x');
  EXPECT_TRUE(client.ask("PUT /", "", content).body == content);
}

TEST(ServerLimits, ARequestAfterHttp10EndsTheConnection) {
  const RunningServer server(hello);
  auto client = server.connect();
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.answer().status(), 200);
  EXPECT_EQ(client.rest(), "");
}

TEST(Drain, LetsARunningRequestEnd) {
  Held held;
  Limits limits;
  limits.drain_timeout = std::chrono::hours(1);
  RunningServer server(std::ref(held), limits);
  auto client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  held.entered.wait();
  auto drained = std::async(std::launch::async, [&] { server.drain(); });
  while (server.connect().connected()) {
  }  // until nobody listens any more
  EXPECT_EQ(drained.wait_for(milliseconds(0)), std::future_status::timeout);
  held.release();
  const auto answer = client.answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_TRUE(answer.has("Connection: close"));
  drained.get();
}

TEST(Drain, EndsConnectionsThatWaitBetweenRequests) {
  Limits limits;
  limits.drain_timeout = limits.idle_timeout = limits.head_timeout = std::chrono::hours(1);
  RunningServer server(hello, limits);
  auto used = server.connect();
  EXPECT_EQ(used.ask("GET /").status(), 200);
  auto fresh = server.connect();  // never said a word
  server.drain();
  EXPECT_EQ(used.rest(), "");
  EXPECT_EQ(fresh.rest(), "");
}

TEST(Drain, CutsWhatDoesNotEndInTime) {
  Limits limits;
  limits.drain_timeout = milliseconds(50);
  RunningServer server(hello, limits);
  auto client = server.connect();
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
  server.drain();
  EXPECT_EQ(client.answer().status(), 0);
}

TEST(Drain, IsNotNeededToStop) {
  std::optional<RunningServer> server;
  server.emplace(hello);
  auto client = server->connect();
  EXPECT_EQ(client.ask("GET /").status(), 200);
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
  server.reset();
  EXPECT_EQ(client.answer().status(), 0);
}

}  // namespace
}  // namespace slipway::http
