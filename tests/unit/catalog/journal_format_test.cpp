#include "catalog/journal_format.hpp"

#include <gtest/gtest.h>

namespace slipway::catalog {
namespace {

const JournalHeader header{.stretch = {"00000001-ab", 17, 23}, .part = 2, .schema = 5, .mark = -9};

std::string part_of(const std::vector<std::string>& lines) {
  JournalPart part(header);
  for (const auto& line : lines) part.add(line);
  return part.finish();
}

struct Read {
  Result<> result;
  JournalHeader header;
  std::vector<JournalRow> rows;
};
Read read(std::string_view text) {
  Read out;
  out.result = read_journal_part(
      text,
      [&](const JournalHeader& found) -> Result<> {
        out.header = found;
        return {};
      },
      [&](const JournalRow& row) -> Result<> {
        out.rows.push_back(row);
        return {};
      });
  return out;
}

/// With its checksum put right.
std::string sealed(const std::string& content) {
  return content + R"({"rows":0,"sha256":")" + to_hex(digest_of(as_bytes(content)).value()) + "\"}\n";
}

TEST(JournalPart, TellsRowsAsTheyAre) {
  JournalLine row("tag", false);
  row.add(-4);
  row.add_text("la\"te\nst ü");
  row.add_null();
  row.add_text("\xff\xfe");
  row.add_hex(as_bytes("\x01\x02"));
  row.add_utf8(as_bytes("{\"a\":1}"));
  row.add_utf8(as_bytes("\xff"));
  JournalLine gone("tag", true);
  gone.add(7);
  const auto found = read(part_of({row.finish(), gone.finish()}));
  ASSERT_TRUE(found.result) << found.result.error().message;
  EXPECT_EQ(found.header.stretch, header.stretch);
  EXPECT_EQ(found.header.part, 2);
  EXPECT_EQ(found.header.schema, 5);
  EXPECT_EQ(found.header.mark, -9);
  EXPECT_EQ(found.header.tables.at("tag"),
            (std::vector<std::string>{"repository", "name", "manifest", "digest", "updated_at"}));
  ASSERT_EQ(found.rows.size(), 2U);
  EXPECT_EQ(found.rows[0].table, "tag");
  EXPECT_FALSE(found.rows[0].gone);
  EXPECT_EQ(found.rows[0].values,
            (std::vector<JournalValue>{-4, std::string("la\"te\nst ü"), nullptr, std::string("\xff\xfe"),
                                       JournalBytes{"\x01\x02"}, JournalBytes{"{\"a\":1}"}, JournalBytes{"\xff"}}));
  EXPECT_TRUE(found.rows[1].gone);
  EXPECT_EQ(found.rows[1].values, (std::vector<JournalValue>{7}));
}

TEST(JournalPart, OfASnapshotBeginsNowhere) {
  JournalPart part({.stretch = {"g", std::nullopt, 23}, .part = 0, .schema = 5});
  const auto found = read(part.finish());
  EXPECT_TRUE(found.result);
  EXPECT_FALSE(found.header.stretch.after.has_value());
}

TEST(JournalPart, IsRefusedWhereAnyByteIsMissingOrOther) {
  JournalLine row("tag", false);
  row.add(1);
  const auto whole = part_of({row.finish()});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto found = read(whole.substr(0, size));
    ASSERT_FALSE(found.result) << size;
    EXPECT_EQ(found.result.error().failure, Failure::corrupt);
    EXPECT_TRUE(found.rows.empty());
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto other = whole;
    other[at] = static_cast<char>(other[at] ^ 1);
    // The number of rows in the last line is for people.
    if (at < whole.rfind("\"sha256\"") && at >= whole.rfind("{\"rows\"")) continue;
    EXPECT_FALSE(read(other).result) << at;
  }
}

TEST(JournalPart, IsRefusedWhereItMakesNoSense) {
  const std::string first =
      R"({"slipway_journal":1,"schema":5,"generation":"g","through":1,"mark":3,"part":0,"tables":{"tag":["a"]}})"
      "\n";
  EXPECT_TRUE(read(sealed(first)).result);
  for (const auto* line :
       {"{}", "17", "[]", "[1]", R"(["gone"])", R"(["gone",1])", R"(["tag",{}])", R"(["tag",{"hex":"0"}])",
        R"(["tag",{"hex":"zz"}])", R"(["tag",{"oct":"1"}])", R"(["tag",{"hex":1}])", R"(["tag",1.5])", R"(["tag",[1]])",
        R"(["tag",true])", "", "[", R"(["tag",{"hex":"00","utf8":""}])"}) {
    const auto found = read(sealed(first + line + "\n"));
    ASSERT_FALSE(found.result) << line;
    EXPECT_EQ(found.result.error().failure, Failure::corrupt) << line;
  }
  for (const auto* header_line :
       {"[]", "{}", R"({"slipway_journal":1})",
        R"({"slipway_journal":1,"schema":5,"generation":"g","through":1,"mark":3,"part":0})",
        R"({"slipway_journal":1,"schema":5,"generation":"g","through":1,"mark":3,"part":0,"tables":{"tag":1}})",
        R"({"slipway_journal":1,"schema":5,"generation":"g","through":1,"mark":3,"part":0,"tables":{"tag":[1]}})",
        R"({"slipway_journal":1,"schema":5,"generation":"g","through":"1","mark":3,"part":0,"tables":{}})",
        R"({"slipway_journal":1,"schema":5,"generation":"g","after":"1","through":1,"mark":3,"part":0,"tables":{}})"})
    EXPECT_EQ(read(sealed(std::string(header_line) + "\n")).result.error().failure, Failure::corrupt) << header_line;
  const auto newer = read(sealed("{\"slipway_journal\":2}\n"));
  EXPECT_EQ(newer.result.error().failure, Failure::invalid);
}

}  // namespace
}  // namespace slipway::catalog
