#include "base/text.hpp"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(Utf8, IsWhatTheStandardAllows) {
  for (const auto* text : {"", "plain", "é", "日本語", "\xF0\x9F\x9A\xA2", "\x7F", "\xC2\x80", "\xE0\xA0\x80",
                           "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_utf8(text)) << text;
}

TEST(Utf8, IsNeitherOverlongNorASurrogateNorCutShort) {
  for (const auto* text :
       {"\x80", "\xFF", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "a\xC3", "\xE2\x82", "\xF0\x9F\x9A", "\xC3(", "ok\xE2(\xA1"})
    EXPECT_FALSE(is_utf8(text)) << printable(text);
}

TEST(Printable, ShowsWhatCannotBeShown) {
  EXPECT_EQ(printable("a\xFF\n\x7F"
                      "b"),
            "a\\xff\\x0a\\x7fb");
  EXPECT_EQ(printable("日本"), "日本");
  EXPECT_EQ(printable("caf\xE9"), "caf\\xe9");
}

TEST(Printable, CutsBetweenCharacters) { EXPECT_EQ(printable("ééé", 3), "éé…"); }

}  // namespace
}  // namespace slipway
