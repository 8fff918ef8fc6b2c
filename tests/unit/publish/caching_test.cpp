#include "publish/caching.hpp"

#include <gtest/gtest.h>

namespace slipway::publish {
namespace {

TEST(Fingerprint, IsSeenInNamesThatBuildToolsWrite) {
  for (const auto* path : {"app.3f2a91bc.js", "assets/index-B7xQ2kLm.css", "main.0a1b2c3d4e5f.chunk2-9f8e7d6c.js",
                           "x/font-deadbeef1.woff2", "app.3f2a91bc.min.js", "logo_3F2a91BC.svg"})
    EXPECT_TRUE(is_fingerprinted(path)) << path;
}

TEST(Fingerprint, IsNotTakenForAnythingElse) {
  for (const auto* path :
       {"index.html", "release-20261123.tar", "opam-2.1.2.tar", "CamelCase-ReadMeFirst.html", "feedface.js",
        "a-feedface.js", "v1.2.3", "3f2a91bc", "3f2a91bc.js", "app-3f2a91b.js", "app.3f2a91bc", "jquery-3.7.1.min.js",
        "page-version10.html", "x/3f2a91bc/app.js", "app-3f2a 91bc.js"})
    EXPECT_FALSE(is_fingerprinted(path)) << path;
}

}  // namespace
}  // namespace slipway::publish
