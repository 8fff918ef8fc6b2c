#include "http/server.hpp"

#include "../../support/temp_directory.hpp"
#include "running_server.hpp"

#include <algorithm>
#include <fcntl.h>
#include <future>
#include <latch>

namespace slipway::http {
namespace {

using std::chrono::milliseconds;

/// Answers with the path, and a body with itself.
Answer hello(Request& request) {
  if (request.has_body) return std::make_unique<Echo>();
  return Response::text(200, request.target.path());
}

std::string bytes(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 2654435761U >> 13);
  return out;
}

TEST(Server, AnswersSeveralRequestsOnOneConnection) {
  const RunningServer server(hello);
  auto client = server.connect();
  for (const auto* path : {"/one", "/two", "/three"}) {
    const auto answer = client.ask(std::string("GET ") + path);
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.body, path);
  }
}

TEST(Server, AnswersAHundredPipelinedRequestsInTheirOrder) {
  const RunningServer server(hello);
  auto client = server.connect();
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  ASSERT_TRUE(client.send(requests));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.answer().body, "/" + std::to_string(i));
}

TEST(Server, AnswersPipelinedBodiesToo) {
  const RunningServer server(hello);
  auto client = server.connect();
  std::string requests;
  for (int i = 0; i < 20; ++i)
    requests += i % 2 ? "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                      : "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n";
  ASSERT_TRUE(client.send(requests));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.answer().body, i % 2 ? "abc" : "xyz") << i;
}

TEST(Server, TakesAHeadByteByByte) {
  const RunningServer server(hello);
  auto client = server.connect();
  const int on = 1;
  ::setsockopt(client.fd(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  for (const char byte : std::string_view("GET /slow HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n"))
    ASSERT_TRUE(client.send(std::string_view(&byte, 1)));
  EXPECT_EQ(client.answer().body, "/slow");
}

TEST(Server, TakesALargeBodyAndGivesItBack) {
  const RunningServer server(hello);
  auto client = server.connect();
  const auto content = bytes(5U << 20);
  auto sending = std::async(std::launch::async, [&] {
    return client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" +
                       content);
  });
  const auto answer = client.answer();
  EXPECT_TRUE(sending.get());
  EXPECT_TRUE(answer.body == content);
}

TEST(Server, TakesAChunkedBodyAndKeepsTheConnection) {
  const RunningServer server(hello);
  auto client = server.connect();
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const auto* part : {"5\r\nhel", "lo\r\n", "1", "\r\n!\r\n0\r", "\n\r\n"}) client.send(part);
  EXPECT_EQ(client.answer().body, "hello!");
  EXPECT_EQ(client.ask("GET /next").body, "/next");
}

TEST(Server, SendsTheSameBytesFromMemoryAndFromFiles) {
  const test::TempDirectory directory;
  const auto content = bytes(9U << 20);  // more than a socket takes at once
  const auto shared = std::make_shared<const std::string>(content);
  const auto file = std::make_shared<const Fd>(*open_file(directory.write("f", content), O_RDONLY));
  const RunningServer server([&](Request& request) -> Answer {
    if (request.target.path() == "/file") return Response{200, {}, FileSlice{file, {0, content.size()}}, false};
    return Response{200, {}, shared, false};
  });
  auto client = server.connect();
  EXPECT_TRUE(client.ask("GET /file").body == content);
  EXPECT_TRUE(client.ask("GET /shared").body == content);
  EXPECT_EQ(client.ask("HEAD /file").body, "");
  EXPECT_TRUE(client.ask("GET /file").body == content);
}

TEST(Server, InvitesABodyThatWaitsForIt) {
  const RunningServer server(hello);
  auto client = server.connect();
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.answer().status(), 100);
  client.send("ok");
  EXPECT_EQ(client.answer().body, "ok");
  EXPECT_EQ(client.ask("GET /", "Expect: a miracle\r\n").status(), 417);
}

TEST(Server, TurnsAThrowingHandlerInto500AndGoesOn) {
  const RunningServer server([](Request& request) -> Answer {
    if (request.target.path() == "/bad") throw std::runtime_error("secret detail");
    return Response::text(200, "fine");
  });
  auto client = server.connect();
  const auto answer = client.ask("GET /bad");
  EXPECT_EQ(answer.status(), 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.ask("GET /good").body, "fine");
}

TEST(Server, HandsABodyOnInPiecesThatEndWhereAFileLikesIt) {
  constexpr std::uint64_t start = 1000;
  constexpr std::uint64_t page = 64U << 10;
  /// Tells where all of its pieces but the last ended.
  class Ends final : public BodySink {
  public:
    std::uint64_t starts_at() const override { return start; }
    std::optional<Response> write(ByteView piece) override {
      m_at += piece.size();
      m_ends.push_back(m_at);
      return std::nullopt;
    }
    Response finish() override {
      m_ends.pop_back();
      const bool even = std::ranges::all_of(m_ends, [](auto end) { return end % page == 0; });
      return Response::text(200, even && !m_ends.empty() ? "even" : "odd");
    }

  private:
    std::uint64_t m_at = start;
    std::vector<std::uint64_t> m_ends;
  };
  const RunningServer server([](Request&) -> Answer { return std::make_unique<Ends>(); });
  EXPECT_EQ(server.connect().ask("PUT /", "", std::string(3U << 20, 'x')).body, "even");
}

class ThrowingSink final : public BodySink {
public:
  std::optional<Response> write(ByteView) override { throw std::runtime_error("full"); }
  Response finish() override { throw std::runtime_error("full"); }
};

TEST(Server, TurnsAThrowingSinkInto500) {
  const RunningServer server([](Request&) -> Answer { return std::make_unique<ThrowingSink>(); });
  EXPECT_EQ(server.connect().ask("PUT /", "", "body").status(), 500);
  EXPECT_EQ(server.connect().ask("PUT /").status(), 500);
}

TEST(Server, GivesARefusalToAClientThatIsStillSending) {
  const RunningServer server([](Request&) -> Answer { return Response::text(413, "too large\n"); });
  auto client = server.connect();
  auto sending = std::async(std::launch::async, [&] {
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n");
    return client.send(bytes(8U << 20));
  });
  const auto answer = client.answer();
  EXPECT_EQ(answer.status(), 413);
  EXPECT_TRUE(answer.has("Connection: close"));
  sending.wait();
}

TEST(Server, KeepsTheConnectionAfterASmallRefusedBody) {
  const RunningServer server(
      [](Request& request) -> Answer { return Response::text(request.has_body ? 403 : 200, ""); });
  auto client = server.connect();
  EXPECT_EQ(client.ask("PUT /", "", "small").status(), 403);
  EXPECT_EQ(client.ask("GET /").status(), 200);
}

TEST(Server, RefusesWhatIsNotHttpAndHangsUp) {
  const RunningServer server(hello);
  for (const auto* text :
       {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"}) {
    auto client = server.connect();
    client.send(text);
    const auto answer = client.answer();
    EXPECT_EQ(answer.status(), 400) << text;
    EXPECT_TRUE(answer.has("Connection: close"));
    EXPECT_EQ(client.rest(), "");
  }
}

TEST(Server, NeverTakesABodyForARequest) {
  const RunningServer server([](Request& request) -> Answer { return Response::text(200, request.target.path()); });
  auto client = server.connect();
  client.send("PUT /outer HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\nTransfer-Encoding: chunked\r\n\r\n"
              "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.rest().find("/smuggled"), std::string::npos);
}

TEST(Server, TellsATlsClientThatItSpeaksPlainHttp) {
  const RunningServer server(hello);
  auto client = server.connect();
  client.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_TRUE(client.rest().starts_with("HTTP/1.0 400 "));
}

TEST(Server, GivesEachRequestAnIdOfItsOwn) {
  const RunningServer server([](Request& request) -> Answer { return Response::text(200, request.id); });
  auto client = server.connect();
  const auto first = client.ask("GET /", "X-Request-Id: forged\r\n").body;
  const auto second = client.ask("GET /", "X-Request-Id: forged\r\n").body;
  EXPECT_NE(first, second);
  EXPECT_NE(first, "forged");
}

TEST(Server, BelievesForwardedFieldsOfItsProxiesOnly) {
  const auto who = [](Request& request) -> Answer {
    return Response::text(200, request.client + " " + (request.secure ? "https" : "http") + " " + request.id);
  };
  const auto fields = "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.7\r\nX-Forwarded-Proto: https\r\n"
                      "X-Request-Id: from-proxy\r\n";
  ServerOptions options;
  options.proxies = {*Network::parse("127.0.0.1"), *Network::parse("10.0.0.0/8")};
  const RunningServer behind_proxy(who, {}, options);
  EXPECT_EQ(behind_proxy.connect().ask("GET /", fields).body, "203.0.113.9 https from-proxy");
  const RunningServer alone(who);
  EXPECT_TRUE(alone.connect().ask("GET /", fields).body.starts_with("127.0.0.1 http "));
}

TEST(Server, CountsRequestsByRouteAndCode) {
  RunningServer server([](Request& request) -> Answer {
    request.route = "test.route";
    return Response::text(404, "");
  });
  auto client = server.connect();
  client.ask("GET /a");
  client.ask("GET /b");  // once this one is read, the one before it has been counted
  const auto text = server.metrics();
  EXPECT_NE(text.find("slipway_http_requests_total{code=\"404\",route=\"test.route\"} "), std::string::npos) << text;
}

TEST(Server, TellsASinkThatItsClientWentAway) {
  std::promise<void> gone;
  class Watched final : public BodySink {
  public:
    explicit Watched(std::promise<void>& told) : m_told(told) {}
    ~Watched() override { m_told.set_value(); }
    std::optional<Response> write(ByteView) override { return std::nullopt; }
    Response finish() override {
      ADD_FAILURE() << "half a body was taken for a whole one";
      return Response::empty(201);
    }

  private:
    std::promise<void>& m_told;
  };
  const RunningServer server([&](Request&) -> Answer { return std::make_unique<Watched>(gone); });
  {
    auto client = server.connect();
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
  }
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

TEST(Server, ListensOnAUnixSocketAndRemovesItsFile) {
  const test::TempDirectory directory;
  ServerOptions options;
  options.listen = {*ListenAddress::parse("unix:" + (directory / "s").string())};
  RunningServer server([](Request& request) -> Answer { return Response::text(200, request.client); }, {}, options);
  EXPECT_EQ(server.connect().ask("GET /").body, "unix");
  server.drain();
  EXPECT_FALSE(std::filesystem::exists(directory / "s"));
}

TEST(Server, AnswersAllWhoHaveConnectedWhenItStops) {
  std::atomic<int> broken = 0, answered = 0;
  for (int round = 0; round < 5; ++round) {
    RunningServer server(hello);
    const std::string url = server.url();
    std::vector<std::thread> clients;
    for (int i = 0; i < 64; ++i)
      clients.emplace_back([&] {
        for (;;) {
          RawClient client(url);
          if (!client.connected()) return;
          ++(client.ask("GET /", "Connection: close\r\n").status() == 200 ? answered : broken);
        }
      });
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    server.drain();
    for (auto& client : clients) client.join();
  }
  EXPECT_EQ(broken, 0);
  EXPECT_GT(answered, 100);
}

TEST(Server, DoesNotStartWhereItCannotListen) {
  const test::TempDirectory directory;
  Metrics metrics;
  ServerOptions options;
  options.listen = {*ListenAddress::parse("unix:" + (directory / "absent" / "s").string())};
  EXPECT_FALSE(Server::start(options, hello, metrics));
  options.listen = {*ListenAddress::parse("https://127.0.0.1:0")};
  const auto without_certificate = Server::start(options, hello, metrics);
  ASSERT_FALSE(without_certificate);
  EXPECT_EQ(without_certificate.error().failure, Failure::invalid);
  EXPECT_FALSE(metrics.expose().empty());  // no gauge of a server that never was
}

}  // namespace
}  // namespace slipway::http
