#include "publish/redirects.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

namespace slipway::publish {
namespace {

using testing::HasSubstr;

/// "301 /target", "404! /x", or "-" where no rule matches.
std::string answer(const Redirects& rules, std::string_view path, const Query& query = {}, bool forced_only = false) {
  const auto found = rules.match(path, query, forced_only);
  return found ? fmt::format("{}{} {}", found->status, found->is_forced ? "!" : "", found->target) : "-";
}

Redirects rules(std::string_view text) { return Redirects::parse(text).value(); }

TEST(Redirects, DoAsTheirDocumentationSays) {
  const auto all = rules("# a comment\n"
                         "/home              /\n"
                         "/my-redirect  /   302   # with a reason\n"
                         "\n"
                         "/pass-through /index.html 200\r\n"
                         "/ecommerce\t/store-closed 404\n"
                         "/google https://www.google.com\n"
                         "/news/:month/:date/:year/:slug  /blog/:year/:month/:date/:slug\n"
                         "/moved/*  /blog/:splat 308\n"
                         "/there/* https://example.org/:splat?from=here 302!\n"
                         "/articles id=:id tag=:tag /posts/:tag/:id 301\n"
                         "/articles id=:id /posts/:id 301\n"
                         "/articles kind=old /old 301\n"
                         "/articles /posts 301\n");
  EXPECT_EQ(answer(all, "/home"), "301 /");
  EXPECT_EQ(answer(all, "/home/"), "301 /");
  EXPECT_EQ(answer(all, "/my-redirect"), "302 /");
  EXPECT_EQ(answer(all, "/pass-through"), "200 /index.html");
  EXPECT_EQ(answer(all, "/ecommerce"), "404 /store-closed");
  EXPECT_EQ(answer(all, "/google"), "301 https://www.google.com");
  EXPECT_EQ(answer(all, "/news/02/12/2004/my-story"), "301 /blog/2004/02/12/my-story");
  EXPECT_EQ(answer(all, "/moved/a/b"), "308 /blog/a/b");
  EXPECT_EQ(answer(all, "/there/x"), "302! https://example.org/x?from=here");
  EXPECT_EQ(answer(all, "/articles", {{"tag", "cpp"}, {"id", "7"}}), "301 /posts/cpp/7");
  EXPECT_EQ(answer(all, "/articles", {{"id", "7"}}), "301 /posts/7");
  EXPECT_EQ(answer(all, "/articles", {{"kind", "old"}}), "301 /old");
  EXPECT_EQ(answer(all, "/articles", {{"kind", "new"}}), "301 /posts");
  EXPECT_EQ(answer(all, "/nothing"), "-");
}

TEST(Redirects, CountInTheirOrder) {
  const auto all = rules("/a /first\n/* /second\n/b /third\n/a /fourth");
  EXPECT_EQ(answer(all, "/a"), "301 /first");
  EXPECT_EQ(answer(all, "/b"), "301 /second");
}

TEST(Redirects, GiveWayToFilesUnlessForced) {
  const auto all = rules("/a /b\n/* /c 302!\n");
  EXPECT_EQ(answer(all, "/a", {}, false), "301 /b");
  EXPECT_EQ(answer(all, "/a", {}, true), "302! /c");
}

TEST(Redirects, SayWhetherTheQueryGoesAlong) {
  EXPECT_TRUE(rules("/a /b").match("/a", {}, false)->takes_query);
  EXPECT_FALSE(rules("/a /b?c=d").match("/a", {}, false)->takes_query);
}

TEST(Redirects, NeverLeadToAHostThatAVisitorNames) {
  const auto all = rules("/go/* /:splat\n/to/:where /:where\n");
  EXPECT_EQ(answer(all, "/go//evil.example/x"), "301 /evil.example/x");
  EXPECT_EQ(answer(all, "/go/\\evil.example"), "301 /%5Cevil.example");
  EXPECT_EQ(answer(all, "/go/a\r\nSet-Cookie: b"), "301 /a%0D%0ASet-Cookie%3A%20b");
}

TEST(Redirects, AreRefusedWithTheirLineAndAReason) {
  struct Case {
    const char* text;
    const char* reason;
  };
  for (const auto& [text, reason] : {
           Case{"/a /b\n/c", "line 2: where to?"},
           {"a /b", "line 1: a path begins with '/'"},
           {"/a b", "line 1: where to?"},
           {"https://example.org/a /b", "line 1: rules are about paths of this tree"},
           {"/a /b 299", "line 1: '299' is no status"},
           {"/a /b 301x", "line 1: '301x' is no status"},
           {"/a /b 302 Country=de", "line 1: 'Country=de': conditions are not supported"},
           {"/a https://example.org 200", "line 1: content of other sites"},
           {"/a /b/:c", "line 1: ':c' of the target is not in '/a'"},
           {"/a /b/:splat", "':splat' of the target is not in '/a'"},
           {"/a id=:id /b/:is", "':is' of the target is not in '/a'"},
           {"/a /ü", "line 1: the target has to be percent-encoded"},
           {"/\xFF /b", "line 1: this is not UTF-8"},
           {"/a*b* /b", "line 1: a path has one '*' at most"},
       }) {
    const auto parsed = Redirects::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr(reason));
  }
}

TEST(Redirects, AreRefusedPastALimit) {
  EXPECT_EQ(Redirects::parse("/" + std::string(1000, 'a') + " /b").error().failure, Failure::too_large);
  std::string plain, patterns;
  for (int i = 0; i <= 2000; ++i) plain += fmt::format("/{} /b\n", i);
  for (int i = 0; i <= 100; ++i) patterns += fmt::format("/{}/* /b\n", i);
  EXPECT_THAT(Redirects::parse(plain).error().message, HasSubstr("line 2001"));
  EXPECT_THAT(Redirects::parse(patterns).error().message, HasSubstr("line 101"));
  EXPECT_EQ(Redirects::parse(std::string(redirects_bytes_max + 1, '\n')).error().failure, Failure::too_large);
}

/// What check() says of rules, in a tree that answers these paths.
std::string checked(std::string_view text, const std::set<std::string, std::less<>>& pages = {"/", "/index.html"}) {
  const auto result = rules(text).check([&](std::string_view path) { return pages.contains(path); });
  return result ? "fine" : result.error().message;
}

TEST(Redirects, ThatLeadRoundInACircleAreRefused) {
  EXPECT_THAT(checked("/a /b\n/b /c\n/c /a"), HasSubstr("line 1: this leads round in a circle"));
  EXPECT_THAT(checked("/a /a/"), HasSubstr("line 1: this leads round"));
  EXPECT_THAT(checked("/x /y\n/a/* /a/b/:splat"), HasSubstr("line 2: this leads round"));
  EXPECT_THAT(checked("/:a/:b /:b/:a"), HasSubstr("line 1: this leads round"));
  EXPECT_THAT(checked("/* /start"), HasSubstr("line 1: this leads round"));
  EXPECT_THAT(checked("/* / 302!"), HasSubstr("line 1: this leads round")) << "though there is a file";
  EXPECT_THAT(checked("/a id=:id /a?id=:id"), HasSubstr("line 1: this leads round"));
}

TEST(Redirects, ThatEndSomewhereAreFine) {
  EXPECT_EQ(checked("/a /b\n/b /c\n/c /"), "fine");
  EXPECT_EQ(checked("/* /"), "fine") << "where there is a file, which comes first";
  EXPECT_EQ(checked("/* /index.html 200"), "fine");
  EXPECT_EQ(checked("/old/* /new/:splat\n/* /index.html 200"), "fine");
  EXPECT_EQ(checked("/* https://example.org/:splat"), "fine");
  EXPECT_EQ(checked("/a /b\n/b /a", {"/a"}), "fine") << "/a is a file: nobody is led away from it";
}

TEST(Redirects, ToAFileThatIsNotThereAreRefused) {
  EXPECT_EQ(checked("/a /missing.html 200"), "line 1: there is no '/missing.html'");
  EXPECT_EQ(checked("/a /missing.html 404"), "line 1: there is no '/missing.html'");
  EXPECT_EQ(checked("/a/* /:splat.html 200"), "fine") << "that depends on who asks";
}

}  // namespace
}  // namespace slipway::publish
