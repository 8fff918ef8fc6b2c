#include "publish/paths.hpp"

#include <gtest/gtest.h>

namespace slipway::publish {
namespace {

TEST(Path, MayBeWhatFilesAreCalled) {
  for (const auto& path : std::initializer_list<std::string>{
           "index.html", "a/b/c", ".well-known/x", "...", "a b", "é/日本", "%2e%2e", "@angular/core.js", "@sha256",
           "@md5:00", "x/@sha256:00", "a:b", "C++", std::string(255, 'x'), "_redirects"})
    EXPECT_TRUE(check_path(path)) << path;
}

TEST(Path, MayNotClimbHideOrEndThere) {
  for (const auto& path : std::initializer_list<std::string>{"",
                                                             "/",
                                                             "/etc/passwd",
                                                             "a/",
                                                             "a//b",
                                                             ".",
                                                             "..",
                                                             "../x",
                                                             "a/..",
                                                             "a/../b",
                                                             "./a",
                                                             "a/.",
                                                             "a\\b",
                                                             "..\\x",
                                                             "a\nb",
                                                             std::string("a\0b", 3),
                                                             "a\x7F",
                                                             "a\xFF",
                                                             "@sha256:",
                                                             "@sha256:00/x",
                                                             "@sha512:00",
                                                             std::string(256, 'x'),
                                                             std::string(1025, '/')})
    EXPECT_FALSE(check_path(path)) << path;
}

TEST(Path, IsRefusedWithAReasonThatCanBeShown) {
  EXPECT_EQ(check_path("caf\xE9/../x").error().message, "the path 'caf\\xe9/../x' is not UTF-8");
  EXPECT_EQ(check_path("a/../x").error().message, "the path 'a/../x' has a part that is '.' or '..'");
}

}  // namespace
}  // namespace slipway::publish
