#include "web/template.hpp"

#include "web/assets.hpp"

#include <gtest/gtest.h>

namespace slipway::web {
namespace {

TEST(Template, EscapesWhatItIsGiven) {
  const auto text = page(
      "opam_packages.html", "<t>", "../",
      {{"words", "\"><script>&"}, {"has_words", true}, {"count", 0}, {"page", 1}, {"pages", 1}, {"next", nullptr}});
  EXPECT_EQ(text.find("<script"), text.npos);
  EXPECT_NE(text.find("<title>&lt;t&gt;</title>"), text.npos);
  EXPECT_NE(text.find("“&quot;&gt;&lt;script&gt;&amp;”"), text.npos);
  EXPECT_EQ(text.find("rel=\"next\""), text.npos);
}

TEST(Template, LeavesNoBracesOfAnyAsset) {
  for (const auto* name : {"opam_home.html", "opam_packages.html", "opam_package.html", "opam_status.html"})
    EXPECT_EQ(page(name, "", "./", Json::object()).find("{{"), std::string::npos) << name;
  EXPECT_EQ(fill("opam_feed.xml", Json::object()).find("{{"), std::string::npos);
}

TEST(Assets, AreNamedByWhatTheyAre) {
  EXPECT_TRUE(asset_path("page.css").starts_with("/assets/page."));
  EXPECT_TRUE(asset_path("page.css").ends_with(".css"));
  EXPECT_FALSE(asset("page.css").empty());
  EXPECT_TRUE(asset("nothing").empty());
}

}  // namespace
}  // namespace slipway::web
