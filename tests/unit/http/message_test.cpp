#include "http/message.hpp"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

TEST(Headers, AreFoundInAnyCase) {
  Headers headers;
  headers.add("Content-Type", "text/plain");
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  EXPECT_EQ(headers.get("CONTENT-TYPE"), "text/plain");
  EXPECT_TRUE(headers.has("Content-type"));
  EXPECT_FALSE(headers.has("Content"));
  EXPECT_EQ(headers.get("Content"), "");
}

TEST(Headers, KeepTheirOrderAndGiveTheFirst) {
  Headers headers;
  headers.add("A", "1");
  headers.add("B", "2");
  headers.add("a", "3");
  EXPECT_EQ(headers.get("A"), "1");
  EXPECT_EQ(headers.count("a"), 2U);
  EXPECT_EQ(headers.all()[2].second, "3");
}

TEST(Headers, MergeSeveralAcceptLinesIntoOneList) {
  Headers headers;
  headers.add("Accept", "application/vnd.oci.image.index.v1+json");
  headers.add("Host", "h");
  headers.add("accept", "application/json, */*;q=0.1");
  EXPECT_EQ(headers.combined("Accept"), "application/vnd.oci.image.index.v1+json, application/json, */*;q=0.1");
  EXPECT_EQ(headers.combined("Cookie"), "");
}

TEST(Headers, SetReplacesEveryFieldOfThatName) {
  Headers headers;
  headers.add("X", "1");
  headers.add("x", "2");
  headers.add("Y", "3");
  headers.set("X", "4");
  EXPECT_EQ(headers.count("X"), 1U);
  EXPECT_EQ(headers.get("X"), "4");
  EXPECT_EQ(headers.get("Y"), "3");
}

TEST(EqualIgnoringCase, LooksAtLettersOnly) {
  EXPECT_TRUE(equal_ignoring_case("Chunked", "cHUNKED"));
  EXPECT_FALSE(equal_ignoring_case("chunked", "chunked "));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));  // these differ by the same bit as cases do
  EXPECT_FALSE(equal_ignoring_case("@", "`"));
  EXPECT_TRUE(equal_ignoring_case("", ""));
}

TEST(SizeOf, CountsEveryKindOfBody) {
  EXPECT_EQ(size_of(Body{}), 0U);
  EXPECT_EQ(size_of(Body{std::string("abc")}), 3U);
  EXPECT_EQ(size_of(Body{std::make_shared<const std::string>("abcd")}), 4U);
  EXPECT_EQ(size_of(Body{FileSlice{nullptr, {7, 1ULL << 40}}}), 1ULL << 40);
}

TEST(CollectBody, HandsOnAllPiecesAtTheEnd) {
  std::string seen;
  const auto sink = collect_body(10, Response::text(413, ""), [&](std::string body) {
    seen = std::move(body);
    return Response::text(201, "");
  });
  EXPECT_FALSE(sink->write(as_bytes("hello")));
  EXPECT_FALSE(sink->write(as_bytes("world")));
  EXPECT_EQ(sink->finish().status, 201);
  EXPECT_EQ(seen, "helloworld");
}

TEST(CollectBody, RefusesOneByteTooManyInTheWordsItWasGiven) {
  const auto sink = collect_body(10, Response::json(413, "{}"), [](std::string) { return Response::text(201, ""); });
  EXPECT_FALSE(sink->write(as_bytes("0123456789")));
  const auto refused = sink->write(as_bytes("x"));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 413);
  EXPECT_EQ(refused->headers.get("Content-Type"), "application/json");
}

TEST(Methods, HaveNamesThatReadBack) {
  for (const auto method : {Method::get, Method::head, Method::post, Method::put, Method::patch, Method::del,
                            Method::options, Method::propfind})
    EXPECT_EQ(method_named(name_of(method)), method);
  EXPECT_EQ(method_named("TRACE"), Method::other);
  EXPECT_EQ(method_named(""), Method::other);
}

TEST(Reasons, AreKnownForEveryStatusWeSend) {
  for (const int status : {100, 200, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 405,
                           408, 409, 413, 416, 417, 429, 431, 500, 501, 503, 505, 507})
    EXPECT_NE(reason_of(status), "Unknown") << status;
}

}  // namespace
}  // namespace slipway::http
