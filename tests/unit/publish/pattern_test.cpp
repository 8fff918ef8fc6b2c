#include "publish/pattern.hpp"

#include <gtest/gtest.h>

namespace slipway::publish {
namespace {

/// "name=value …", or "-" where the pattern does not match.
std::string matched(std::string_view pattern, std::string_view path) {
  const auto captures = Pattern::parse(pattern).value().match(path);
  if (!captures) return "-";
  std::string out;
  for (const auto& [name, value] : *captures) out.append(out.empty() ? "" : " ").append(name + "=" + value);
  return out;
}

TEST(Pattern, MatchesAsItsDocumentationSays) {
  struct Case {
    const char* pattern;
    const char* path;
    const char* captures;
  };
  for (const auto& [pattern, path, captures] : {
           Case{"/home", "/home", ""},
           {"/home", "/home/", ""},
           {"/home/", "/home", ""},
           {"/home", "/homes", "-"},
           {"/home", "/Home", "-"},
           {"/", "/", ""},
           {"/", "/x", "-"},
           {"/caf%C3%A9", "/café", ""},
           {"/*", "/", "splat="},
           {"/*", "/a/b", "splat=a/b"},
           {"/blog/*", "/blog", "splat="},
           {"/blog/*", "/blog/", "splat="},
           {"/blog/*", "/blog/a/b", "splat=a/b"},
           {"/blog/*", "/blogs", "-"},
           {"/blog*", "/blogs/x", "splat=s/x"},
           {"/*.jpg", "/a/b.jpg", "splat=a/b"},
           {"/*.jpg", "/a/b.png", "-"},
           {"/a*a", "/a", "-"},
           {"/news/:year/:slug", "/news/2026/x", "year=2026 slug=x"},
           {"/news/:year/:slug", "/news/2026", "-"},
           {"/news/:year/:slug", "/news/2026/x/y", "-"},
           {"/news/:year/:slug", "/news//x", "-"},
           {"/:page.html", "/index.html", "page=index"},
           {"/:page.html", "/.html", "-"},
           {"/v:version/x", "/v12/x", "version=12"},
           {"/:a/*", "/x", "a=x splat="},
           {"/:a/*", "/x/y/z", "a=x splat=y/z"},
           {"/:a/b/*", "/x/b", "a=x splat="},
           {"/:a/b/*", "/x/c", "-"},
           {"/:8080", "/:8080", ""},
       })
    EXPECT_EQ(matched(pattern, path), captures) << pattern << " " << path;
}

TEST(Pattern, IsRefusedWhereItCouldMeanSeveralThings) {
  for (const auto* text : {"", "x", "/a*b*", "/*/:x", "/:a:b", "/:a-:b", "/:a*", "/:a/:a", "/:splat/*", "/a?b=c",
                           "/a#b", "/%zz", "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q"})
    EXPECT_FALSE(Pattern::parse(text)) << text;
}

TEST(Pattern, GivesAnExampleOfWhatItMatches) {
  for (const auto* text : {"/", "/a", "/*", "/a/*", "/:x/y/:z.html", "/:x/*", "/*.jpg"}) {
    const auto pattern = Pattern::parse(text).value();
    Captures some;
    for (const auto& name : pattern.names()) some.push_back({name, "value"});
    EXPECT_TRUE(pattern.match(pattern.example(some))) << text;
  }
}

TEST(Substitute, EncodesWhatAVisitorWrote) {
  const Captures captures = {{"splat", "a b/ü?x#y"}, {"id", "1&2"}};
  EXPECT_EQ(substitute("/n/:splat?id=:id", captures), "/n/a%20b/%C3%BC%3Fx%23y?id=1%262");
  EXPECT_EQ(substitute("https://example.org:8080/:other/:", captures), "https://example.org:8080/:other/:");
}

TEST(Substitute, LeavesPortsAndColonsAlone) {
  EXPECT_EQ(placeholders_in("https://example.org:8080/a:b/:c_1/:"), (std::vector<std::string>{"b", "c_1"}));
}

}  // namespace
}  // namespace slipway::publish
