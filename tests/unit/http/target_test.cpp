#include "http/target.hpp"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

using Segments = std::vector<std::string>;

Segments segments_of(std::string_view raw) {
  const auto target = parse_target(raw);
  EXPECT_TRUE(target) << raw;
  return target ? target->segments : Segments{"(refused)"};
}

TEST(Target, IsSplitBeforeItIsDecoded) {
  EXPECT_EQ(segments_of("/v2/a/b"), (Segments{"v2", "a", "b"}));
  EXPECT_EQ(segments_of("/a%20b/c%2Bd/%7e"), (Segments{"a b", "c+d", "~"}));
  EXPECT_EQ(segments_of("/sha256%3Aabc"), Segments{"sha256:abc"});
  EXPECT_EQ(segments_of("/%61%62"), Segments{"ab"});
}

TEST(Target, IsDecodedOnce) { EXPECT_EQ(segments_of("/%252e%252e/%2541"), (Segments{"%2e%2e", "%41"})); }

TEST(Target, CannotClimbOrSplitByEncoding) {
  for (const auto* raw : {"/a/../b", "/..", "/.", "/a/./b", "/a/%2e%2e/b", "/a/%2E./b", "/a/.%2e", "/%2e", "/a%2Fb",
                          "/a%2fb", "/%2F", "/a%00b", "/%00", "/..%2fx", "/v2/%2e%2e%2f%2e%2e%2fetc"}) {
    const auto target = parse_target(raw);
    ASSERT_FALSE(target) << raw;
    EXPECT_EQ(target.error().failure, Failure::invalid);
  }
}

TEST(Target, LeavesDotsInsideNamesAlone) {
  EXPECT_EQ(segments_of("/.../..a/a../.a"), (Segments{"...", "..a", "a..", ".a"}));
}

TEST(Target, RefusesBrokenEscapes) {
  for (const auto* raw : {"/%", "/%2", "/%zz", "/%2g", "/a%", "/% 20", "/%-1", "/?a=%", "/?%2=1", "/?a=1&b=%g0"})
    EXPECT_FALSE(parse_target(raw)) << raw;
}

TEST(Target, KeepsEmptySegments) {
  EXPECT_EQ(segments_of("/a//b"), (Segments{"a", "", "b"}));
  EXPECT_EQ(segments_of("//a"), (Segments{"", "a"}));
}

TEST(Target, TellsATrailingSlashApart) {
  EXPECT_FALSE(parse_target("/v2")->trailing_slash);
  EXPECT_TRUE(parse_target("/v2/")->trailing_slash);
  EXPECT_EQ(segments_of("/v2/"), Segments{"v2"});
  EXPECT_TRUE(parse_target("/")->trailing_slash);
  EXPECT_EQ(segments_of("/"), Segments{});
  EXPECT_EQ(segments_of("/a//"), (Segments{"a", ""}));
}

TEST(Target, GivesItsPathBackDecoded) {
  for (const auto* raw : {"/", "/v2", "/v2/", "/a//b/"}) EXPECT_EQ(parse_target(raw)->path(), raw);
  EXPECT_EQ(parse_target("/a%20b/?x=1")->path(), "/a b/");
}

TEST(Target, TakesAbsoluteFormWithoutItsAuthority) {
  EXPECT_EQ(segments_of("http://host:5000/v2/a"), (Segments{"v2", "a"}));
  EXPECT_EQ(segments_of("https://host/v2"), Segments{"v2"});
  EXPECT_EQ(segments_of("http://host"), Segments{});
  EXPECT_EQ(segments_of("http://user@host/http://other/"), (Segments{"http:", "", "other"}));
}

TEST(Target, RefusesOtherForms) {
  for (const auto* raw : {"", "*", "v2/", "host:443", "ftp://host/x", "?a=1", "http://host?a=1"})
    EXPECT_FALSE(parse_target(raw)) << raw;
}

TEST(Query, IsDecodedPairByPair) {
  const auto target = parse_target("/x?a=1&b=two%20words&a=3&empty=&flag&c=d=e");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->parameter("a"), "1");
  EXPECT_EQ(target->parameters("a"), (Segments{"1", "3"}));
  EXPECT_EQ(target->parameter("b"), "two words");
  EXPECT_EQ(target->parameter("empty"), "");
  EXPECT_EQ(target->parameter("flag"), "");
  EXPECT_EQ(target->parameter("c"), "d=e");
  EXPECT_EQ(target->parameter("absent"), std::nullopt);
  EXPECT_TRUE(target->parameters("absent").empty());
}

TEST(Query, LeavesPlusAlone) { EXPECT_EQ(parse_target("/x?p=g++")->parameter("p"), "g++"); }

TEST(Query, MayHoldAnythingEncoded) {
  EXPECT_EQ(parse_target("/x?p=%2F..%2F%00%26%3D")->parameter("p"), std::string("/../\0&=", 7));
}

TEST(Query, SkipsEmptyPairs) {
  EXPECT_EQ(parse_target("/x?&&a=1&")->query.size(), 1U);
  EXPECT_TRUE(parse_target("/x?")->query.empty());
}

TEST(Query, HasAtMost64Parameters) {
  std::string raw = "/x?";
  for (int i = 0; i < 64; ++i) raw += "a=1&";
  EXPECT_TRUE(parse_target(raw));
  EXPECT_FALSE(parse_target(raw + "b=1"));
}

TEST(Percent, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a/b c+d&e"), "a%2Fb%20c%2Bd%26e");
  EXPECT_EQ(percent_encode("\xff"), "%FF");
}

TEST(Percent, DecodesEveryByteItEncodes) {
  for (int value = 0; value < 256; ++value) {
    const std::string byte(1, static_cast<char>(value));
    EXPECT_EQ(percent_decode(percent_encode(byte)), byte) << value;
  }
}

}  // namespace
}  // namespace slipway::http
