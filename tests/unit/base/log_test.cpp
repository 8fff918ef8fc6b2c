#include "base/log.hpp"

#include "base/json.hpp"

#include <gtest/gtest.h>

namespace slipway::log {
namespace {

/// What a machine makes of a JSON line.
Json read_back(std::string_view event, Fields fields) {
  const auto json = parse_json("{" + render(Format::json, event, fields) + "}");
  EXPECT_TRUE(json) << render(Format::json, event, fields);
  return json.value_or(Json());
}

TEST(LogText, IsAnEventAndItsFields) {
  EXPECT_EQ(render(Format::text, "serving", {{"url", "http://[::1]:5000"}, {"workers", 8}, {"tls", false}}),
            "serving url=http://[::1]:5000 workers=8 tls=false");
}

TEST(LogText, QuotesOnlyWhereItMust) {
  EXPECT_EQ(render(Format::text, "x", {{"a", "plain"}, {"b", "two words"}, {"c", ""}, {"d", "k=v"}}),
            "x a=plain b=\"two words\" c=\"\" d=\"k=v\"");
  EXPECT_EQ(render(Format::text, "x", {{"a", "say \"hi\""}, {"b", "back\\slash"}}),
            "x a=\"say \\\"hi\\\"\" b=\"back\\\\slash\"");
}

TEST(LogText, CannotBeForgedByLineBreaks) {
  const auto line = render(Format::text, "request\nforged", {{"path", "/x\n2026-01-01 info admin logged in\r\n"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\r'), std::string::npos);
  EXPECT_EQ(line, "request\\nforged path=\"/x\\n2026-01-01 info admin logged in\\u000d\\n\"");
}

TEST(LogText, EscapesEveryControlCharacter) {
  for (int c = 0; c < 0x20; ++c) {
    const std::string value{'a', static_cast<char>(c), 'b'};
    const auto line = render(Format::text, "x", {{"value", value}});
    EXPECT_EQ(line.find(static_cast<char>(c), 2), std::string::npos) << c;
  }
  EXPECT_EQ(render(Format::text, "x", {{"v", "\x1b[31m\x7f"}}), "x v=\"\\u001b[31m\\u007f\"");
}

TEST(LogText, AFieldCannotPretendToBeTwo) {
  EXPECT_EQ(render(Format::text, "x", {{"user", "bob admin=true"}}), "x user=\"bob admin=true\"");
}

TEST(LogJson, ReadsBackAsItWasMeant) {
  const auto json = read_back("serving", {{"url", "http://x"}, {"count", 3}, {"ratio", 0.5}, {"tls", true}});
  EXPECT_EQ(json["event"], "serving");
  EXPECT_EQ(json["url"], "http://x");
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["ratio"], 0.5);
  EXPECT_EQ(json["tls"], true);
}

TEST(LogJson, ReadsBackWhateverAClientSent) {
  for (int c = 0; c < 0x80; ++c) {
    const std::string value{'a', static_cast<char>(c), '"'};
    EXPECT_EQ(read_back("x", {{"value", value}})["value"], value) << c;
  }
  EXPECT_EQ(read_back("x", {{"value", "grüße €"}})["value"], "grüße €");
}

TEST(LogJson, StaysValidForBytesThatAreNotUtf8) {
  for (const std::string value :
       {"\x80", "\xff", "a\xc3", "\xc3(", "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc0\xaf"})
    EXPECT_TRUE(read_back("x", {{"value", value}})["value"].is_string());
}

TEST(LogLevels, AreFoundByTheirNames) {
  for (const auto level : {Level::debug, Level::info, Level::warn, Level::error, Level::off})
    EXPECT_EQ(level_named(name_of(level)), level);
  for (const auto* name : {"", "INFO", "verbose", "information"}) EXPECT_FALSE(level_named(name)) << name;
}

TEST(LogLevels, ChangeAtRunTime) {
  const auto before = level();
  set_level(Level::error);
  EXPECT_EQ(level(), Level::error);
  set_level(before);
}

TEST(LogWrite, WritesWhatIsAtItsLevelOrAbove) {
  testing::internal::CaptureStderr();
  configure(Level::warn, Format::json);
  info("quiet");
  warn("loud", {{"n", 1}});
  configure(Level::info, Format::text);
  info("as text");
  const auto written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("quiet"), std::string::npos);
  EXPECT_NE(written.find("\"level\":\"warn\",\"event\":\"loud\",\"n\":1}\n"), std::string::npos) << written;
  EXPECT_NE(written.find("info  as text\n"), std::string::npos) << written;
}

}  // namespace
}  // namespace slipway::log
