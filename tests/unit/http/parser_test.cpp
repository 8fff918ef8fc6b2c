#include "http/parser.hpp"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

/// A head as a client would write it, with the fields a test adds.
std::string head(std::string_view fields = "", std::string_view line = "GET /v2/ HTTP/1.1") {
  return std::string(line) + "\r\nHost: registry.example\r\n" + std::string(fields) + "\r\n";
}

/// The status a head is refused with; 0 where it is accepted, -1 where more is awaited.
int refusal_of(std::string_view bytes, const Limits& limits = {}) {
  MessageParser parser(limits);
  const auto used = parser.take_head(as_bytes(bytes));
  if (!used) return used.error().status;
  return *used == 0 ? -1 : 0;
}

std::string trace_id_of(const std::string& traceparent) {
  MessageParser parser{Limits()};
  EXPECT_TRUE(parser.take_head(as_bytes(head("traceparent: " + traceparent + "\r\n"))));
  return parser.request().trace_id;
}

TEST(Head, BecomesARequest) {
  MessageParser parser{Limits()};
  const auto text = head("User-Agent: test\r\nAccept: a\r\naccept: b\r\n", "PUT /v2/a/manifests/latest?x=1 HTTP/1.1");
  ASSERT_EQ(parser.take_head(as_bytes(text)), text.size());
  const auto& request = parser.request();
  EXPECT_EQ(request.method, Method::put);
  EXPECT_EQ(request.target.path(), "/v2/a/manifests/latest");
  EXPECT_EQ(request.target.parameter("x"), "1");
  EXPECT_EQ(request.headers.get("user-agent"), "test");
  EXPECT_EQ(request.headers.combined("Accept"), "a, b");
  EXPECT_FALSE(request.has_body);
  EXPECT_FALSE(request.http_1_0);
  EXPECT_TRUE(request.keep_alive);
  EXPECT_TRUE(parser.done());
}

TEST(Head, IsTheSameWhereverItIsSplit) {
  const auto text = head("Accept: a\r\nX-Long: " + std::string(50, 'x') + "\r\nAuthorization: Basic eA==\r\n");
  for (std::size_t split = 1; split < text.size(); ++split) {
    MessageParser parser{Limits()};
    ASSERT_EQ(parser.take_head(as_bytes(text.substr(0, split))), 0U) << split;
    const auto used = parser.take_head(as_bytes(text));
    ASSERT_TRUE(used) << split << ": " << used.error().reason;
    ASSERT_EQ(*used, text.size()) << split;
    EXPECT_EQ(parser.request().headers.all().size(), 4U) << split;
    EXPECT_EQ(parser.request().headers.get("Authorization"), "Basic eA==") << split;
  }
}

TEST(Head, IsTheSameByteAfterByte) {
  const auto text = head("Accept: a\r\n");
  MessageParser parser{Limits()};
  for (std::size_t size = 1; size < text.size(); ++size)
    ASSERT_EQ(parser.take_head(as_bytes(text.substr(0, size))), 0U) << size;
  ASSERT_EQ(parser.take_head(as_bytes(text)), text.size());
  EXPECT_EQ(parser.request().headers.all().size(), 2U);
}

TEST(Head, EndsBeforeThePipelinedNextOne) {
  MessageParser parser{Limits()};
  const auto first = head();
  EXPECT_EQ(parser.take_head(as_bytes(first + head())), first.size());
}

TEST(Head, MayHaveExactlyAsManyFieldsAsAllowed) {
  Limits limits;
  limits.header_count = 3;
  EXPECT_EQ(refusal_of(head("A: 1\r\nB: 2\r\n"), limits), 0);
  EXPECT_EQ(refusal_of(head("A: 1\r\nB: 2\r\nC: 3\r\n"), limits), 431);
}

TEST(Head, LargerThanAllowedIsRefused) {
  Limits limits;
  limits.head_bytes = 1024;
  EXPECT_EQ(refusal_of(head("X: " + std::string(800, 'x') + "\r\n"), limits), 0);
  EXPECT_EQ(refusal_of(head("X: " + std::string(1100, 'x') + "\r\n"), limits), 431);
  EXPECT_EQ(refusal_of("GET /" + std::string(1100, 'x'), limits), 431);
}

TEST(Head, LargerThanAllowedIsRefusedInPiecesToo) {
  Limits limits;
  limits.head_bytes = 1024;
  std::string fields;
  for (int i = 0; i < 40; ++i) fields += "X-" + std::to_string(i) + ": " + std::string(40, 'x') + "\r\n";
  const auto text = head(fields);
  MessageParser parser(limits);
  for (std::size_t size = 1; size <= text.size(); ++size) {
    const auto used = parser.take_head(as_bytes(text.substr(0, size)));
    if (!used) {
      EXPECT_EQ(used.error().status, 431);
      return;
    }
    ASSERT_EQ(*used, 0U);
  }
  FAIL() << "a head of " << text.size() << " bytes was accepted";
}

TEST(Smuggling, TwoLengthsAreRefused) {
  EXPECT_EQ(refusal_of(head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")), 400);
  EXPECT_EQ(refusal_of(head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")), 400);
  EXPECT_EQ(refusal_of(head("Content-Length: 5\r\nContent-Length: 5\r\n")), 400);
  EXPECT_EQ(refusal_of(head("Content-Length: 5\r\nContent-Length: 6\r\n")), 400);
  EXPECT_EQ(refusal_of(head("Content-Length: 5, 5\r\n")), 400);
  EXPECT_EQ(refusal_of(head("Content-Length: 5\r\nContent-Length: \r\n")), 400);
}

TEST(Smuggling, ALengthThatIsNoNumberIsRefused) {
  for (const auto* value : {"", "-1", "+5", "5x", "0x5", "5 5", "1e3", "18446744073709551616", "٥"})
    EXPECT_EQ(refusal_of(head("Content-Length: " + std::string(value) + "\r\n")), 400) << value;
}

TEST(Smuggling, ATransferCodingThatIsNotChunkedAloneIsRefused) {
  for (const auto* value : {"gzip", "identity", "gzip, chunked", "chunked, gzip", "chunked, chunked", "xchunked",
                            "chunked;q=1", "", "\"chunked\"", "chunked\r\nTransfer-Encoding: chunked",
                            "chunked\r\nTransfer-Encoding: identity", "identity\r\nTransfer-Encoding: chunked"}) {
    const auto status = refusal_of(head("Transfer-Encoding: " + std::string(value) + "\r\n"));
    EXPECT_TRUE(status == 400 || status == 501) << value << " gave " << status;
  }
}

TEST(Smuggling, ChunkedMayBeWrittenInAnyCase) { EXPECT_EQ(refusal_of(head("Transfer-Encoding: Chunked\r\n")), 0); }

TEST(Smuggling, ChunkedInHttp10IsRefused) {
  EXPECT_EQ(refusal_of(head("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0")), 400);
}

TEST(Smuggling, ExactlyOneHostIsNeeded) {
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(head("Host: other\r\n")), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.0\r\n\r\n"), 0);
}

TEST(Smuggling, DisguisedFieldsAreRefused) {
  for (const auto* fields : {"Content-Length : 5\r\n", "Content-Length\t: 5\r\n", "Con tent: 5\r\n", ": 5\r\n",
                             "X: a\rb\r\n", "X: a\nContent-Length: 5\r\n", "X\r\n"}) {
    const auto status = refusal_of(head(fields));
    EXPECT_EQ(status, 400) << fields;
  }
  EXPECT_EQ(refusal_of(head(std::string("X: a\0b\r\n", 8))), 400);
}

TEST(Smuggling, AFoldedLineIsNoFieldOfItsOwn) {
  MessageParser parser{Limits()};
  ASSERT_TRUE(parser.take_head(as_bytes(head("X: a\r\n Content-Length: 5\r\n"))));
  EXPECT_FALSE(parser.request().content_length);
  EXPECT_EQ(parser.request().headers.get("X"), "a Content-Length: 5");
}

TEST(RequestLine, MustBeWellFormed) {
  for (const auto* line : {"GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", "/ HTTP/1.1", "G@T / HTTP/1.1",
                           "GET / http/1.1", "GET / HTTP/1.", "GET / HTTP/11", "GET /a b HTTP/1.1"}) {
    const auto status = refusal_of(head("", line));
    EXPECT_TRUE(status == 400 || status == 505) << line << " gave " << status;
  }
}

TEST(RequestLine, SpeaksOnlyHttp1) {
  EXPECT_EQ(refusal_of(head("", "GET / HTTP/2.0")), 505);
  EXPECT_EQ(refusal_of(head("", "GET / HTTP/1.2")), 505);
  EXPECT_EQ(refusal_of(head("", "GET / HTTP/0.9")), 505);
}

TEST(RequestLine, KnowsEveryMethodAndLetsTheRestThrough) {
  for (const auto* name : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"}) {
    MessageParser parser{Limits()};
    ASSERT_TRUE(parser.take_head(as_bytes(head("", std::string(name) + " / HTTP/1.1"))));
    EXPECT_EQ(name_of(parser.request().method), name);
  }
  for (const auto* name : {"BREW", "get", "MKCOL", "GETT"}) {
    MessageParser parser{Limits()};
    ASSERT_TRUE(parser.take_head(as_bytes(head("", std::string(name) + " / HTTP/1.1"))));
    EXPECT_EQ(parser.request().method, Method::other) << name;
  }
}

TEST(RequestLine, TakesAbsoluteForm) {
  MessageParser parser{Limits()};
  ASSERT_TRUE(parser.take_head(as_bytes(head("", "GET http://other.example:80/v2/?n=1 HTTP/1.1"))));
  EXPECT_EQ(parser.request().target.path(), "/v2/");
  EXPECT_EQ(parser.request().target.parameter("n"), "1");
}

TEST(RequestLine, RefusesOtherForms) {
  EXPECT_EQ(refusal_of(head("", "OPTIONS * HTTP/1.1")), 400);
  EXPECT_EQ(refusal_of(head("", "CONNECT other:443 HTTP/1.1")), 400);
  EXPECT_EQ(refusal_of(head("", "GET /a/%2e%2e/b HTTP/1.1")), 400);
}

TEST(KeepAlive, IsTheCustomOfHttp11AndTheExceptionOfHttp10) {
  const auto keeps = [](const std::string& text) {
    MessageParser parser{Limits()};
    EXPECT_TRUE(parser.take_head(as_bytes(text)));
    return parser.request().keep_alive;
  };
  EXPECT_TRUE(keeps(head()));
  EXPECT_FALSE(keeps(head("Connection: close\r\n")));
  EXPECT_FALSE(keeps(head("Connection: upgrade, Close\r\n")));
  EXPECT_TRUE(keeps(head("Connection: upgrade\r\n")));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(Traceparent, GivesTheTraceIdOfAWellFormedOne) {
  EXPECT_EQ(trace_id_of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(Traceparent, IgnoresEverythingElse) {
  for (const auto* value : {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
                            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
                            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01"})
    EXPECT_EQ(trace_id_of(value), "") << value;
}

}  // namespace
}  // namespace slipway::http
