// The second half of http/parser.hpp: bodies and their framing.

#include "http/parser.hpp"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

const std::string chunked_head = "PATCH /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A parser that has taken a head.
std::unique_ptr<MessageParser> after_head(const std::string& head, const Limits& limits = {}) {
  auto parser = std::make_unique<MessageParser>(limits);
  EXPECT_EQ(parser->take_head(as_bytes(head)), head.size());
  return parser;
}

/// What came of a body: its bytes without framing, how much was used, or why it was refused.
struct Taken {
  std::string body;
  std::size_t used = 0;
  std::optional<Refusal> refusal;
};

/// Hands `bytes` on as a connection does: what was not used comes again with more behind it.
Taken feed(MessageParser& parser, std::string_view bytes, std::size_t piece) {
  Taken out;
  std::string waiting;
  for (std::size_t at = 0; at < bytes.size() && !parser.done(); at += piece) {
    waiting.append(bytes.substr(at, piece));
    const auto used = parser.take_body(as_bytes(waiting), [&](ByteView part) {
      out.body.append(as_text(part));
      return true;
    });
    if (!used) {
      out.refusal = used.error();
      return out;
    }
    out.used += *used;
    waiting.erase(0, *used);
  }
  return out;
}

TEST(LengthBody, IsTakenWhereverItIsSplit) {
  const std::string body = "hello, world";
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    const auto parser = after_head("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n");
    EXPECT_EQ(parser->remaining(), 12U);
    EXPECT_TRUE(parser->request().has_body);
    EXPECT_EQ(parser->request().content_length, 12U);
    EXPECT_EQ(feed(*parser, body, piece).body, body) << piece;
    EXPECT_TRUE(parser->done());
  }
}

TEST(LengthBody, EndsBeforeThePipelinedNextRequest) {
  const auto parser = after_head("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n");
  const auto taken = feed(*parser, "okGET / HTTP/1.1\r\n", 100);
  EXPECT_EQ(taken.body, "ok");
  EXPECT_EQ(taken.used, 2U);
  EXPECT_TRUE(parser->done());
}

TEST(LengthBody, OfNothingIsNoBody) {
  const auto parser = after_head("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(parser->request().has_body);
  EXPECT_EQ(parser->request().content_length, 0U);
  EXPECT_TRUE(parser->done());
}

TEST(LengthBody, TellsWhatIsStillToCome) {
  const auto parser = after_head("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
  EXPECT_EQ(feed(*parser, "1234", 4).body, "1234");
  EXPECT_EQ(parser->remaining(), 6U);
  EXPECT_FALSE(parser->done());
}

TEST(LengthBody, MayBeAsLargeAsANumberCanSay) {
  const auto parser = after_head("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n");
  EXPECT_EQ(parser->request().content_length, 18446744073709551615U);
  EXPECT_EQ(feed(*parser, "abc", 3).body, "abc");
}

TEST(ChunkedBody, IsTakenWhereverItIsSplit) {
  const std::string body = "5\r\nhello\r\n7;note=\"a;b\"\r\n, world\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    const auto parser = after_head(chunked_head);
    EXPECT_TRUE(parser->request().has_body);
    EXPECT_FALSE(parser->request().content_length);
    EXPECT_FALSE(parser->remaining());
    const auto taken = feed(*parser, body, piece);
    ASSERT_FALSE(taken.refusal) << piece << ": " << taken.refusal->reason;
    EXPECT_EQ(taken.body, "hello, worldabcdefghijklmnopqrstuvwxyz") << piece;
    EXPECT_EQ(taken.used, body.size()) << piece;
    EXPECT_TRUE(parser->done()) << piece;
  }
}

TEST(ChunkedBody, EndsBeforeThePipelinedNextRequest) {
  const auto parser = after_head(chunked_head);
  const std::string body = "2\r\nok\r\n0\r\n\r\n";
  const auto taken = feed(*parser, body + "GET / HTTP/1.1\r\n", 1000);
  EXPECT_EQ(taken.body, "ok");
  EXPECT_EQ(taken.used, body.size());
  EXPECT_TRUE(parser->done());
}

TEST(ChunkedBody, MayBeEmpty) {
  const auto parser = after_head(chunked_head);
  EXPECT_EQ(feed(*parser, "0\r\n\r\n", 1).body, "");
  EXPECT_TRUE(parser->done());
}

TEST(ChunkedBody, KeepsItsTrailerOutOfTheRequestsFields) {
  const std::string body = "2\r\nok\r\n0\r\nAuthorization: Basic eA==\r\nX-Request-Id: forged\r\n\r\n";
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    const auto parser = after_head(chunked_head);
    const auto taken = feed(*parser, body, piece);
    ASSERT_FALSE(taken.refusal) << piece << ": " << taken.refusal->reason;
    EXPECT_EQ(taken.body, "ok") << piece;
    EXPECT_TRUE(parser->done()) << piece;
    EXPECT_FALSE(parser->request().headers.has("Authorization")) << piece;
    EXPECT_FALSE(parser->request().headers.has("X-Request-Id")) << piece;
  }
}

TEST(ChunkedBody, WithBadFramingIsRefused) {
  for (const auto* body :
       {"x\r\nok\r\n0\r\n\r\n", "-1\r\nabc\r\n", "+2\r\nok\r\n0\r\n\r\n", "0x2\r\nok\r\n0\r\n\r\n", "\r\n\r\n\r\n",
        " 2\r\nok\r\n0\r\n\r\n", "2\r\nokay\r\n0\r\n\r\n", "2\r\nok0\r\n\r\n", "10000000000000000\r\nok\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nok\r\n0\r\n\r\n", "2;\x01=1\r\nok\r\n0\r\n\r\n", "0\r\nBad Name: 1\r\n\r\n",
        "0\r\nContent-Length: 3\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    const auto parser = after_head(chunked_head);
    const auto taken = feed(*parser, body, 1000);
    EXPECT_FALSE(parser->done()) << body;
    EXPECT_EQ(taken.refusal.value_or(Refusal{0, ""}).status, 400) << body;
  }
}

TEST(ChunkedBody, WithBareLineFeedsNeverEnds) {
  const auto parser = after_head(chunked_head);
  EXPECT_EQ(feed(*parser, "2\nok\n0\n\n", 1000).body, "");
  EXPECT_FALSE(parser->done());
}

TEST(ChunkedBody, WithoutEndIsNotDone) {
  const auto parser = after_head(chunked_head);
  EXPECT_EQ(feed(*parser, "2\r\nok\r\n0\r\n", 3).body, "ok");
  EXPECT_FALSE(parser->done());
}

TEST(ChunkedBody, MayNotHideEndlessBytesInAnExtension) {
  Limits limits;
  limits.head_bytes = 4096;
  const auto parser = after_head(chunked_head, limits);
  const auto taken = feed(*parser, "2;x=" + std::string(100'000, 'x'), 1000);
  ASSERT_TRUE(taken.refusal);
  EXPECT_EQ(taken.refusal->status, 431);
}

TEST(ChunkedBody, MayNotHideEndlessBytesInManyExtensions) {
  Limits limits;
  limits.head_bytes = 4096;
  const auto parser = after_head(chunked_head, limits);
  std::string body;
  for (int i = 0; i < 1000; ++i) body += "1;note=" + std::string(50, 'x') + "\r\na\r\n";
  const auto taken = feed(*parser, body, 1000);
  ASSERT_TRUE(taken.refusal);
  EXPECT_EQ(taken.refusal->status, 431);
}

TEST(ChunkedBody, MayNotHideEndlessBytesInATrailer) {
  Limits limits;
  limits.head_bytes = 4096;
  const auto parser = after_head(chunked_head, limits);
  std::string body = "0\r\n";
  for (int i = 0; i < 1000; ++i) body += "X-" + std::to_string(i) + ": " + std::string(50, 'x') + "\r\n";
  const auto taken = feed(*parser, body, 1000);
  ASSERT_TRUE(taken.refusal);
  EXPECT_EQ(taken.refusal->status, 431);
}

TEST(TakeBody, StopsWhereItIsTold) {
  const auto parser = after_head(chunked_head);
  int pieces = 0;
  const auto used = parser->take_body(as_bytes("2\r\nok\r\n2\r\nno\r\n0\r\n\r\n"), [&](ByteView) {
    ++pieces;
    return false;
  });
  EXPECT_TRUE(used);
  EXPECT_EQ(pieces, 1);
  EXPECT_FALSE(parser->done());
}

}  // namespace
}  // namespace slipway::http
