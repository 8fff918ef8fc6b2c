#include "http/client.hpp"

#include "../../support/temp_directory.hpp"
#include "certificate.hpp"
#include "running_server.hpp"

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
  EXPECT_EQ(answer.error().failure, Failure::io);
  EXPECT_NE(answer.error().message.find("http://127.0.0.1:1"), std::string::npos);
  EXPECT_FALSE(fetch({.url = "file:///etc/passwd"}));
}

}  // namespace
}  // namespace slipway::http
