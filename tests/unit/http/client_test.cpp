#include "http/client.hpp"

#include "../../support/temp_directory.hpp"
#include "certificate.hpp"
#include "running_server.hpp"

#include <fcntl.h>
#include <thread>

namespace slipway::http {
namespace {

Answer tell(Request& request) {
  auto text = std::string(name_of(request.method)) + " " + request.target.path() + " " +
              std::string(request.headers.get("X-Test"));
  return Response::text(request.target.path() == "/absent" ? 404 : 200, std::move(text));
}

TEST(Fetch, GivesStatusAndBody) {
  const RunningServer server(tell);
  const auto answer = fetch({.url = server.url(), .target = "/x", .headers = {"X-Test: yes"}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "GET /x yes");
}

TEST(Fetch, TakesAnyStatusForAnAnswer) {
  const RunningServer server(tell);
  EXPECT_EQ(fetch({.url = server.url(), .target = "/absent"})->status, 404);
}

TEST(Fetch, PostsWithoutABody) {
  const RunningServer server(tell);
  EXPECT_EQ(fetch({.method = "POST", .url = server.url() + "/", .target = "/x"})->body, "POST /x ");
}

TEST(Fetch, SpeaksOverUnixSockets) {
  const test::TempDirectory directory;
  ServerOptions options;
  options.listen = {*ListenAddress::parse("unix:" + (directory / "s").string())};
  const RunningServer server(tell, {}, options);
  const auto answer = fetch({.url = server.url(), .target = "/x"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "GET /x ");
}

TEST(Fetch, TrustsOnlyWhatItIsTold) {
  const test::TempDirectory directory;
  const auto certificate = directory / "cert.pem";
  write_certificate(certificate, directory / "key.pem", "localhost");
  ServerOptions options;
  options.listen = {*ListenAddress::parse("https://127.0.0.1:0")};
  options.tls_certificate = certificate;
  options.tls_key = directory / "key.pem";
  const RunningServer server(tell, {}, options);
  const auto url = "https://localhost" + server.url().substr(server.url().rfind(':'));
  const auto distrusted = fetch({.url = url, .target = "/x"});
  ASSERT_FALSE(distrusted);
  EXPECT_EQ(distrusted.error().failure, Failure::io);
  const auto trusted = fetch({.url = url, .target = "/x", .ca_file = certificate.string()});
  ASSERT_TRUE(trusted) << trusted.error().message;
  EXPECT_EQ(trusted->status, 200);
}

TEST(Fetch, StopsAtItsLimit) {
  const RunningServer server([](Request&) -> Answer { return Response::text(200, std::string(1000, 'x')); });
  EXPECT_TRUE(fetch({.url = server.url(), .answer_bytes_max = 1000}));
  const auto refused = fetch({.url = server.url(), .answer_bytes_max = 999});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::too_large);
}

TEST(Fetch, FollowsNoRedirect) {
  const RunningServer server([](Request&) -> Answer {
    auto response = Response::empty(307);
    response.headers.add("Location", "http://127.0.0.1:1/");
    return response;
  });
  EXPECT_EQ(fetch({.url = server.url()})->status, 307);
}

TEST(Fetch, NamesTheServerThatIsNotThere) {
  const auto answer = fetch({.url = "http://127.0.0.1:1"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().failure, Failure::unavailable);
  EXPECT_NE(answer.error().message.find("http://127.0.0.1:1"), std::string::npos);
  EXPECT_FALSE(fetch({.url = "file:///etc/passwd"}));
}

TEST(Fetch, GivesTheHeadersOfTheLastAnswer) {
  const RunningServer server([](Request&) -> Answer {
    auto response = Response::text(201, "");
    response.headers.add("ETag", "\"x: y\"");
    return response;
  });
  const auto answer =
      fetch({.method = "PUT", .url = server.url(), .headers = {"Expect: 100-continue"}, .body = as_bytes("x")});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->headers.get("etag"), "\"x: y\"");
}

TEST(Fetch, SendsBytesAndParts) {
  const RunningServer server([](Request&) -> Answer { return std::make_unique<Echo>(); });
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(fetch({.method = "PUT", .url = server.url(), .body = as_bytes(large)})->body, large);
  EXPECT_EQ(fetch({.method = "POST", .url = server.url(), .body = as_bytes("")})->body, "");

  const test::TempDirectory directory;
  directory.write("file", "0123456789");
  const auto file = std::make_shared<const Fd>(open_file(directory / "file", O_RDONLY).value());
  const auto part = [&](ByteRange range) {
    return ClientRequest{.method = "PUT", .url = server.url(), .body = FileSlice{file, range}};
  };
  EXPECT_EQ(fetch(part({3, 4}))->body, "3456");
  EXPECT_EQ(fetch(part({10, 0}))->body, "");
  const auto shorter = fetch(part({3, 8}));
  ASSERT_FALSE(shorter);
  EXPECT_EQ(shorter.error().failure, Failure::corrupt);
}

TEST(Fetch, SaysThatThereIsNoBody) {
  const RunningServer server([](Request& request) -> Answer {
    return Response::text(200, std::string(request.headers.get("Content-Length")) + "," +
                                   std::string(request.headers.get("Expect")));
  });
  EXPECT_EQ(fetch({.method = "PUT", .url = server.url()})->body, "0,");
  EXPECT_EQ(fetch({.method = "DELETE", .url = server.url()})->body, ",");
}

TEST(Fetch, WaitsForNoBodyOfAHead) {
  const RunningServer server([](Request&) -> Answer { return Response::text(200, "four"); });
  const auto answer = fetch({.method = "HEAD", .url = server.url()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->headers.get("Content-Length"), "4");
  EXPECT_EQ(answer->body, "");
}

TEST(Fetch, PassesWhatSucceededToTheSink) {
  const std::string large(3'000'000, 'x');
  const RunningServer server([&](Request& request) -> Answer {
    return Response::text(request.target.path() == "/absent" ? 404 : 200, std::string(large));
  });
  std::string passed;
  const auto take = [&](ByteView piece) -> Result<> {
    passed.append(as_text(piece));
    return {};
  };
  const auto answer = fetch({.url = server.url(), .sink = take, .answer_bytes_max = 10});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(passed, large);
  const auto refusal = fetch({.url = server.url(), .target = "/absent", .sink = take});
  EXPECT_EQ(refusal->body, large);
  EXPECT_EQ(passed, large);
  const auto refused =
      fetch({.url = server.url(), .sink = [](ByteView) { return Result<>(fail(Failure::no_space, "full")); }});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::no_space);
}

TEST(Fetch, TakesNoEndlessHead) {
  const RunningServer server([](Request&) -> Answer {
    auto response = Response::text(200, "");
    for (int i = 0; i < 200; ++i) response.headers.add("X-Many", "x");
    return response;
  });
  const auto refused = fetch({.url = server.url()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::too_large);
}

TEST(Fetch, GivesUpAPeerThatIsSilent) {
  const auto silent = listen_on(*ListenAddress::parse("127.0.0.1:0")).value();  // the kernel connects, nobody answers
  const auto url = url_of(*ListenAddress::parse("127.0.0.1:0"), silent.get(), false);
  const auto stalled = fetch({.url = url, .stall_timeout = std::chrono::seconds(1)});
  ASSERT_FALSE(stalled);
  EXPECT_EQ(stalled.error().failure, Failure::io);
  const auto late = fetch({.url = url, .timeout = std::chrono::milliseconds(100)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().failure, Failure::io);
}

TEST(Client, KeepsConnections) {
  RunningServer server(tell);
  const auto open = [&] { return server.metrics().find("slipway_http_connections 1\n") != std::string::npos; };
  Client client(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.fetch({.url = server.url(), .target = "/x"}));
  EXPECT_TRUE(open()) << server.metrics();
  for (const auto* method : {"HEAD", "POST", "GET"})  // what one request set does not stay for the next
    EXPECT_EQ(client.fetch({.method = method, .url = server.url(), .target = "/x"})->body.empty(), *method == 'H');
  EXPECT_TRUE(open()) << server.metrics();
}

TEST(Client, SendsAgainWhereAKeptConnectionWasClosed) {
  const std::string large(3'000'000, 'x');
  auto server = std::make_unique<RunningServer>([](Request&) -> Answer { return std::make_unique<Echo>(); });
  const auto url = server->url();
  Client client(1);
  EXPECT_EQ(client.fetch({.method = "PUT", .url = url, .body = as_bytes(large)})->body, large);
  ServerOptions options;
  options.listen = {*ListenAddress::parse(url.substr(url.rfind('/') + 1))};
  server.reset();
  server =
      std::make_unique<RunningServer>([](Request&) -> Answer { return std::make_unique<Echo>(); }, Limits(), options);
  const auto again = client.fetch({.method = "PUT", .url = url, .body = as_bytes(large)});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->body, large);
}

TEST(Client, IsUsedByManyAtOnce) {
  const RunningServer server([](Request&) -> Answer { return std::make_unique<Echo>(); });
  Client client(2);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 50; ++i) {
        const auto text = std::to_string(thread) + " " + std::to_string(i);
        const auto answer = client.fetch({.method = "PUT", .url = server.url(), .body = as_bytes(text)});
        if (!answer || answer->body != text) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace slipway::http
