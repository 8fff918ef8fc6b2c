#include "base/json.hpp"

#include <gtest/gtest.h>

namespace slipway {
namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseJson, ReadsAValue) {
  const auto json = parse_json(R"({"a":[1,2,{"b":null}]})");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["a"][1], 2);
}

TEST(ParseJson, KeepsTheLastOfADuplicatedKey) { EXPECT_EQ((*parse_json(R"({"a":1,"a":2})"))["a"], 2); }

TEST(ParseJson, RefusesWhatIsNotOneValue) {
  for (const auto* text : {"", " ", "{", "}", "[1,]", "{\"a\":}", "{} {}", "nul", "'a'", "{\"a\":1}x", "\xff", "\"\n\"",
                           "[1 2]", "01", "NaN", "// comment\n1"}) {
    const auto json = parse_json(text);
    ASSERT_FALSE(json) << text;
    EXPECT_EQ(json.error().failure, Failure::invalid) << text;
    EXPECT_NE(json.error().message.find("at byte"), std::string::npos);
  }
}

TEST(ParseJson, RefusesANumberThatDoesNotFit) {
  const auto json = parse_json("[1e999]");
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().failure, Failure::invalid);
}

TEST(ParseJson, RefusesOneLevelTooDeep) {
  EXPECT_TRUE(parse_json(nested(8), {.depth_max = 8}));
  const auto refused = parse_json(nested(9), {.depth_max = 8});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::too_large);
}

TEST(ParseJson, IsNotTiredByAMillionBrackets) {
  const auto refused = parse_json(std::string(1'000'000, '['));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::too_large);
}

TEST(ParseJson, DoesNotCountBracketsInStrings) {
  EXPECT_TRUE(parse_json(R"(["[[[[", "\"[[[[", "\\", "]"])", {.depth_max = 1}));
}

TEST(ParseJson, CannotBeFooledIntoCountingLess) {
  // Closing brackets in strings do not lower the depth, and neither do surplus ones.
  EXPECT_FALSE(parse_json(R"(["]",["]",[1]]])", {.depth_max = 2}));
  EXPECT_FALSE(parse_json("]]]" + nested(3), {.depth_max = 2}));
}

TEST(ParseJson, RefusesOneByteTooMany) {
  EXPECT_TRUE(parse_json("[1234]", {.size_max = 6}));
  const auto refused = parse_json("[12345]", {.size_max = 6});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::too_large);
}

TEST(StringAt, GivesTextAndNothingElse) {
  const Json object = {{"text", "x"}, {"number", 1}, {"null", nullptr}, {"list", {"x"}}};
  EXPECT_EQ(string_at(object, "text"), "x");
  for (const auto* key : {"number", "null", "list", "absent"}) EXPECT_EQ(string_at(object, key), "") << key;
  EXPECT_EQ(string_at(Json::array({"text"}), "text"), "");
  EXPECT_EQ(string_at(Json("text"), "text"), "");
}

}  // namespace
}  // namespace slipway
