#include "opam/syntax.hpp"

#include <gtest/gtest.h>

namespace slipway::opam {
namespace {

/// The value of a field as it is written anew, or the error.
std::string read(std::string_view value) {
  const auto items = parse_file("x: " + std::string(value), "f");
  return items ? to_text((*items)[0].value) : items.error().message;
}

TEST(OpamSyntax, ReadsFieldsAndSections) {
  const auto items = parse_file("a: 1 # one\nurl { src: \"u\" }\nextra-source \"n\" { }\na: 2\n", "f");
  ASSERT_TRUE(items) << items.error().message;
  ASSERT_EQ(items->size(), 4U);
  EXPECT_EQ(find_field(*items, "a")->text, "1");
  EXPECT_EQ(find_field(*items, "url"), nullptr);
  EXPECT_TRUE((*items)[1].is_section);
  EXPECT_FALSE((*items)[1].has_section_name);
  EXPECT_EQ((*items)[1].items[0].value.text, "u");
  EXPECT_EQ((*items)[2].section_name, "n");
  EXPECT_EQ((*items)[2].place.line, 3U);
  EXPECT_EQ((*items)[2].place.column, 1U);
}

TEST(OpamSyntax, BindsAsOpamDoes) {
  const auto kind = [](std::string_view value) { return (*parse_file("x: " + std::string(value), "f"))[0].value; };
  EXPECT_TRUE(kind("a | b & c").is(Value::Kind::any_of));
  EXPECT_TRUE(kind("a & b | c").is(Value::Kind::any_of));
  EXPECT_EQ(kind("a & b & c").children.size(), 3U);
  EXPECT_TRUE(kind("!a {b}").is(Value::Kind::prefix));
  EXPECT_TRUE(kind("!a & b").is(Value::Kind::all_of));
  EXPECT_TRUE(kind("a {b} {c}").children[0].is(Value::Kind::option));
  EXPECT_TRUE(kind("a = b {c}").is(Value::Kind::option));
  EXPECT_EQ(kind("[a = b = c]").children.size(), 2U);
  EXPECT_EQ(read("[\"a\" {>= \"1\" & !b | ?c:d} (x) []]"), "[\"a\" {>= \"1\" & !b | ?c:d} (x) []]");
  EXPECT_EQ(read("[! = a !>b]"), "[! = a !> b]");
  EXPECT_EQ(read("[a ~ b X += \"y\"]"), "[a >= b X += \"y\"]");
}

TEST(OpamSyntax, ReadsStrings) {
  const auto text = [](std::string_view value) { return (*parse_file("x: " + std::string(value), "f"))[0].value.text; };
  EXPECT_EQ(text(R"("a\"\\\n\065\x41\ b")"), "a\"\\\nAA b");
  EXPECT_EQ(text("\"a\\\n   b\""), "ab");
  EXPECT_EQ(text("\"a\r\nb\""), "a\nb");
  EXPECT_EQ(text("\"\"\"a \"\" b\"\"\""), "a \"\" b");
  EXPECT_EQ(read("\"\""), "\"\"");
}

TEST(OpamSyntax, SaysWhereItIsWrong) {
  EXPECT_EQ(read("[1"), "f:1:6: the end where a value should be");
  EXPECT_EQ(read("\n  \"open"), "f:2:3: unterminated string");
  EXPECT_EQ(read("(* \n"), "f:1:4: unterminated comment");
  EXPECT_EQ(read("\"\\q\""), "f:1:5: illegal escape sequence");
  EXPECT_EQ(read("\"\\256\""), "f:1:5: illegal escape sequence");
  EXPECT_EQ(read("4611686018427387904"), "f:1:4: '4611686018427387904' is not a number");
  EXPECT_EQ(read("1 /"), "f:1:6: '/' is not a valid token");
  EXPECT_EQ(read("a\nb"), "f:2:2: the end where ':' or '{' should be");
  EXPECT_EQ(read("a\nb \"c\" d"), "f:2:7: 'd' where '{' should be");
  EXPECT_EQ(read("a =:= b"), "f:1:6: '=:=' is not an operator");
}

TEST(OpamSyntax, KeepsToItsLimits) {
  const auto nested = [](unsigned depth) { return read(std::string(depth, '[') + std::string(depth, ']')); };
  EXPECT_EQ(nested(nesting_max)[0], '[');
  EXPECT_EQ(nested(nesting_max + 1), "f:1:304: nested more than 300 deep");
  EXPECT_EQ(parse_file("x: " + std::string(1'000'000, '['), "f").error().failure, Failure::too_large);
  std::string chain = "a";
  for (int i = 0; i < 100'000; ++i) chain += "&a";
  EXPECT_EQ(parse_file("x: " + chain, "f")->at(0).value.children.size(), 100'001U);
  EXPECT_EQ(parse_file(std::string(file_bytes_max + 1, ' '), "f").error().failure, Failure::too_large);
}

TEST(OpamSyntax, MindsTheVersion) {
  const auto error = [](std::string_view text) {
    const auto items = parse_file(text, "f");
    return items ? "" : items.error().message;
  };
  EXPECT_EQ(error("a: 1\nopam-version: \"2.0\""), "");
  EXPECT_EQ(error("a: 1\nopam-version: \"2.1\""), "f:2:1: opam-version must be the first non-comment line");
  EXPECT_EQ(error("opam-version: \"2.1\"\nopam-version: \"2.0\""), "f:2:1: opam-version cannot be repeated");
  EXPECT_EQ(error("opam-version: \"2.1\"\n<<"), "f:2:2: '<' where a value should be");
  const auto newer = parse_file("opam-version: \"2.2\"\n<<", "f");
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->back().name, "#");
}

}  // namespace
}  // namespace slipway::opam
