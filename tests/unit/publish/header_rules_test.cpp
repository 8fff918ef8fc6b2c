#include "publish/header_rules.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::publish {
namespace {

using testing::HasSubstr;

/// "Name: value | …" of an answer that has `Cache-Control: no-cache` by default.
std::string answered(std::string_view text, std::string_view path) {
  http::Headers headers;
  headers.add("Cache-Control", "no-cache");
  HeaderRules::parse(text).value().apply(path, headers);
  std::string out;
  for (const auto& [name, value] : headers.all()) out.append(out.empty() ? "" : " | ").append(name + ": " + value);
  return out;
}

TEST(HeaderRules, DoAsTheirDocumentationSays) {
  constexpr auto text = "# This is a comment\n"
                        "/secure/page\n"
                        "  X-Frame-Options: DENY\n"
                        "\tX-Content-Type-Options: nosniff\r\n"
                        "\n"
                        "/static/*\n"
                        "  Access-Control-Allow-Origin: *\n"
                        "  # so that others may embed it\n"
                        "  X-Robots-Tag: nosnippet\n"
                        "/static/app.js\n"
                        "  x-robots-tag: noindex\n"
                        "  Cache-Control: public, max-age=60\n"
                        "/movies/:title\n"
                        "  X-Movie: You saw :title\n"
                        "/static/open/*\n"
                        "  ! X-Robots-Tag\n"
                        "  ! Cache-Control\n";
  EXPECT_EQ(answered(text, "/"), "Cache-Control: no-cache");
  EXPECT_EQ(answered(text, "/secure/page"),
            "Cache-Control: no-cache | X-Frame-Options: DENY | X-Content-Type-Options: nosniff");
  EXPECT_EQ(answered(text, "/static/app.js"), "Access-Control-Allow-Origin: * | x-robots-tag: nosnippet, noindex | "
                                              "Cache-Control: public, max-age=60");
  EXPECT_EQ(answered(text, "/static/open/x"), "Access-Control-Allow-Origin: *");
  EXPECT_EQ(answered(text, "/movies/Up & down"), "Cache-Control: no-cache | X-Movie: You saw Up%20%26%20down");
}

TEST(HeaderRules, KeepCookiesApart) {
  EXPECT_EQ(answered("/*\n  Set-Cookie: a=1\n/x\n  Set-Cookie: b=2\n", "/x"),
            "Cache-Control: no-cache | Set-Cookie: a=1 | Set-Cookie: b=2");
}

TEST(HeaderRules, AreRefusedWithTheirLineAndAReason) {
  struct Case {
    const char* text;
    const char* reason;
  };
  for (const auto& [text, reason] : {
           Case{"  X: y\n", "line 1: a header before the first path"},
           {"/a\n  X y\n", "line 2: a header is 'Name: value'"},
           {"/a\n  X Y: z\n", "line 2: 'X Y' is no header's name"},
           {"/a\n  : z\n", "line 2: '' is no header's name"},
           {"/a\n  Content-Length: 3\n", "line 2: Content-Length is the server's own"},
           {"/a\n  ! etag\n", "line 2: etag is the server's own"},
           {"/a\n  X-Slipway-Snapshot: x\n", "line 2: X-Slipway-Snapshot is the server's own"},
           {"/a\n  X: \x01\n", "line 2: the value of X is not printable ASCII"},
           {"/a\n  X: é\n", "line 2: the value of X is not printable ASCII"},
           {"a\n", "line 1: a path begins with '/'"},
           {"/a/*/b/*\n", "line 1: a path has one '*' at most"},
           {"/\xFF\n", "line 1: this is not UTF-8"},
       }) {
    const auto parsed = HeaderRules::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr(reason));
  }
}

TEST(HeaderRules, AreRefusedPastALimit) {
  std::string many;
  for (int i = 0; i <= 100; ++i) many += fmt::format("/{}\n", i);
  EXPECT_THAT(HeaderRules::parse(many).error().message, HasSubstr("line 101: more than 100 rules"));
  EXPECT_EQ(HeaderRules::parse("/a\n  X: " + std::string(2000, 'x')).error().failure, Failure::too_large);
  EXPECT_EQ(HeaderRules::parse(std::string(header_rules_bytes_max + 1, '\n')).error().failure, Failure::too_large);
}

}  // namespace
}  // namespace slipway::publish
