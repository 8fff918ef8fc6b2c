#include "upstream/download.hpp"

#include "support/scripted_server.hpp"
#include "upstream/addresses.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>

namespace slipway::upstream {
namespace {

using s3::answer;
using testing::HasSubstr;

class Kept final : public DownloadSink {
public:
  Result<> restart() override {
    ++restarts;
    bytes.clear();
    return {};
  }
  Result<> write(ByteView piece) override {
    if (is_full) return fail(Failure::no_space, "full");
    bytes += as_text(piece);
    return {};
  }
  std::string bytes;
  int restarts = 0;
  bool is_full = false;
};

class DownloadTest : public testing::Test {
protected:
  Result<Downloaded> get(const std::string& target, DownloadOptions options = {}) {
    options.may_be_private = true;
    options.pause = {};
    return download(m_client, m_server.url() + target, m_sink, options);
  }
  Failure failure_of(const std::string& target, const DownloadOptions& options = {}) {
    const auto got = get(target, options);
    EXPECT_FALSE(got);
    return got ? Failure::conflict : got.error().failure;
  }

  s3::ScriptedServer m_server;
  http::Client m_client{0};
  Kept m_sink;
};

TEST_F(DownloadTest, FollowsRedirects) {
  m_server.add(answer(302, "moved", "Location: /b?x=1\r\n"));
  m_server.add(answer(301, {}, "Location: c\r\n"));
  m_server.add(answer(200, "bytes", "Content-Type: application/gzip\r\n"));
  const auto got = get("/a/x");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(m_sink.bytes, "bytes");
  EXPECT_EQ(got->size, 5U);
  EXPECT_EQ(got->media_type, "application/gzip");
  EXPECT_EQ(got->url, m_server.url() + "/c");
  const auto requests = m_server.requests();
  EXPECT_THAT(requests[1], HasSubstr("GET /b?x=1 HTTP/1.1"));
  EXPECT_THAT(requests[2], HasSubstr("Accept-Encoding: identity"));
}

TEST_F(DownloadTest, IsNotSentRoundForEver) {
  for (int i = 0; i < 12; ++i) m_server.add(answer(302, {}, "Location: /again\r\n"));
  const auto got = get("/", {.attempts_max = 1});
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message, HasSubstr("sent on more than 10 times"));
  EXPECT_EQ(m_server.requests().size(), 11U);
  for (const auto* bad : {"file:///etc/passwd", "gopher://x/", "", "http://x y/", "/d"}) {
    m_server.add(answer(302, {}, std::string("Location: ") + bad + "\r\n"));
    if (std::string(bad) == "/d") m_server.add(answer(404));
    EXPECT_FALSE(get("/", {.attempts_max = 1})) << bad;
  }
  EXPECT_FALSE(download(m_client, "ftp://h/x", m_sink, {}));
}

TEST_F(DownloadTest, GoesOnWhereItBrokeOff) {
  m_server.add(answer(200, "begin", "ETag: \"1\"\r\n", 11));
  m_server.add(answer(206, " with", "ETag: \"1\"\r\nContent-Range: bytes 5-10/11\r\n", 6));
  m_server.add(answer(206, "t", "ETag: \"1\"\r\nContent-Range: bytes 10-10/11\r\n"));
  const auto got = get("/");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(m_sink.bytes, "begin witht");
  EXPECT_EQ(m_sink.restarts, 0);
  EXPECT_THAT(m_server.requests()[1], HasSubstr("Range: bytes=5-"));
  EXPECT_THAT(m_server.requests()[2], HasSubstr("If-Range: \"1\""));
}

TEST_F(DownloadTest, BeginsAnewWhereItCannotGoOn) {
  m_server.add(answer(200, "begin", {}, 11));  // says not what it is of
  m_server.add(answer(200, "other", "ETag: \"2\"\r\n", 7));
  m_server.add(answer(206, "xx", "Content-Range: bytes 0-1/7\r\n"));  // not what was asked for
  m_server.add(answer(200, "whole"));
  EXPECT_TRUE(get("/", {.attempts_max = 4}));
  EXPECT_EQ(m_sink.bytes, "whole");
  EXPECT_EQ(m_sink.restarts, 2);
  m_server.add(answer(200, "begin", "ETag: \"1\"\r\n", 11));
  m_server.add(answer(200, "changed meanwhile", "ETag: \"2\"\r\n"));
  m_server.add(answer(200, "again"));
  m_sink.bytes.clear();
  EXPECT_TRUE(get("/"));
  EXPECT_EQ(m_sink.bytes, "again");
}

TEST_F(DownloadTest, GivesUpInTheEnd) {
  for (int i = 0; i < 3; ++i) m_server.add(answer(200, "begin", {}, 11));
  EXPECT_EQ(failure_of("/"), Failure::io);
  EXPECT_EQ(m_server.requests().size(), 3U);
  for (const auto& [status, failure] : std::vector<std::pair<int, Failure>>{{404, Failure::not_found},
                                                                            {410, Failure::not_found},
                                                                            {429, Failure::busy},
                                                                            {503, Failure::busy},
                                                                            {403, Failure::invalid},
                                                                            {300, Failure::invalid},
                                                                            {204, Failure::invalid}}) {
    m_server.add(answer(status));
    EXPECT_EQ(failure_of("/"), failure) << status;
  }
  EXPECT_EQ(
      download(m_client, "http://127.0.0.1:1/", m_sink, {.may_be_private = true, .attempts_max = 1}).error().failure,
      Failure::unavailable);
}

TEST_F(DownloadTest, KeepsToItsLimits) {
  m_server.add(answer(200, "0123456789"));
  EXPECT_TRUE(get("/", {.bytes_max = 10}));
  m_server.add(answer(200, "0123456789x"));
  EXPECT_EQ(failure_of("/", {.bytes_max = 10}), Failure::too_large);
  m_server.add("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789x");  // of no length
  EXPECT_EQ(failure_of("/", {.bytes_max = 10}), Failure::too_large);
  m_server.add(answer(200, "bytes"));
  m_sink.is_full = true;
  EXPECT_EQ(failure_of("/"), Failure::no_space);
}

TEST_F(DownloadTest, ReachesNothingPrivate) {
  const auto got = download(m_client, m_server.url() + "/", m_sink, {.pause = {}});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().failure, Failure::denied);
  EXPECT_THAT(got.error().message, HasSubstr("own network"));
  EXPECT_TRUE(m_server.requests().empty());
}

TEST_F(DownloadTest, StopsWhenItIsTold) {
  m_server.add(answer(200, "begin", {}, 1000));
  EXPECT_FALSE(get("/", {.is_stopped = [] { return true; }}));
}

TEST(Addresses, ArePublicOrNot) {
  const auto is = [](const char* text) {
    sockaddr_storage storage{};
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    if (::inet_pton(AF_INET, text, &v4.sin_addr) == 1)
      storage.ss_family = AF_INET;
    else if (::inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
      storage.ss_family = AF_INET6;
    return is_public(reinterpret_cast<const sockaddr&>(storage));
  };
  for (const auto* text :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1", "192.167.1.1", "223.255.255.255",
        "2606:4700::1111", "2001:200::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"})
    EXPECT_TRUE(is(text)) << text;
  for (const auto* text : {"0.0.0.0",         "10.1.2.3",        "100.64.0.1",      "127.0.0.1", "127.255.255.255",
                           "169.254.169.254", "172.16.0.1",      "172.31.255.255",  "192.0.0.1", "192.168.0.1",
                           "198.18.0.1",      "224.0.0.1",       "255.255.255.255", "::",        "::1",
                           "fe80::1",         "fc00::1",         "fd12::1",         "ff02::1",   "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",   "2001::1",   "2001:db8::1",
                           "3fff::1"})
    EXPECT_FALSE(is(text)) << text;
  const sockaddr unix{.sa_family = AF_UNIX, .sa_data = {}};
  EXPECT_FALSE(is_public(unix));
}

TEST(Location, IsResolved) {
  const std::string base = "https://h:1/a/b?q#f";
  EXPECT_EQ(resolve_location(base, "http://o/x"), "http://o/x");
  EXPECT_EQ(resolve_location(base, "//o/x"), "https://o/x");
  EXPECT_EQ(resolve_location(base, "/x?u=http://y"), "https://h:1/x?u=http://y");
  EXPECT_EQ(resolve_location(base, "x"), "https://h:1/a/x");
  EXPECT_EQ(resolve_location(base, "?p"), "https://h:1/a/b?p");
  EXPECT_EQ(resolve_location("https://h", "x"), "https://h/x");
}

}  // namespace
}  // namespace slipway::upstream
