#include "http/ranges.hpp"

#include <gtest/gtest.h>
#include <limits>
#include <ostream>

namespace slipway::http {

void PrintTo(const std::variant<WholeBody, ByteRange, Unsatisfiable>& range, std::ostream* out) {
  if (const auto* part = std::get_if<ByteRange>(&range))
    *out << part->length << " from " << part->offset;
  else
    *out << (range.index() == 0 ? "whole" : "unsatisfiable");
}

namespace {

using Answer = std::variant<WholeBody, ByteRange, Unsatisfiable>;
constexpr auto huge = std::numeric_limits<std::uint64_t>::max();

struct Case {
  const char* header;
  std::uint64_t size;
  Answer answer;
};

const Case cases[] = {
    // One range, clamped to the body.
    {"bytes=0-0", 10, ByteRange{0, 1}},
    {"bytes=0-9", 10, ByteRange{0, 10}},
    {"bytes=0-10", 10, ByteRange{0, 10}},
    {"bytes=3-5", 10, ByteRange{3, 3}},
    {"bytes=9-9", 10, ByteRange{9, 1}},
    {"bytes=9-", 10, ByteRange{9, 1}},
    {"bytes=0-", 10, ByteRange{0, 10}},
    {"bytes=4-18446744073709551615", 10, ByteRange{4, 6}},
    {"bytes=0-0", huge, ByteRange{0, 1}},
    {"bytes=0-18446744073709551615", huge, ByteRange{0, huge}},
    {"bytes=18446744073709551614-", huge, ByteRange{huge - 1, 1}},
    // The last bytes.
    {"bytes=-1", 10, ByteRange{9, 1}},
    {"bytes=-10", 10, ByteRange{0, 10}},
    {"bytes=-11", 10, ByteRange{0, 10}},
    {"bytes=-18446744073709551615", 10, ByteRange{0, 10}},
    // Nothing of it is there.
    {"bytes=10-", 10, Unsatisfiable{}},
    {"bytes=10-10", 10, Unsatisfiable{}},
    {"bytes=18446744073709551615-", 10, Unsatisfiable{}},
    {"bytes=-0", 10, Unsatisfiable{}},
    {"bytes=0-", 0, Unsatisfiable{}},
    {"bytes=-5", 0, Unsatisfiable{}},
    {"bytes=5-3", 10, Unsatisfiable{}},
    // No Range, or none that has to be understood.
    {"", 10, WholeBody{}},
    {"bytes", 10, WholeBody{}},
    {"bytes=", 10, WholeBody{}},
    {"bytes=-", 10, WholeBody{}},
    {"bytes=5", 10, WholeBody{}},
    {"bytes=a-b", 10, WholeBody{}},
    {"bytes=1-b", 10, WholeBody{}},
    {"bytes=a-1", 10, WholeBody{}},
    {"bytes=1-2-3", 10, WholeBody{}},
    {"bytes=--1", 10, WholeBody{}},
    {"bytes=+1-2", 10, WholeBody{}},
    {"bytes= 1-2", 10, WholeBody{}},
    {"bytes=1-2 ", 10, WholeBody{}},
    {"bytes=0x1-2", 10, WholeBody{}},
    {"bytes=0-1,3-4", 10, WholeBody{}},
    {"items=0-1", 10, WholeBody{}},
    {"bytes:0-1", 10, WholeBody{}},
    // Numbers too large for 64 bits.
    {"bytes=18446744073709551616-", 10, WholeBody{}},
    {"bytes=0-18446744073709551616", 10, WholeBody{}},
    {"bytes=-18446744073709551616", 10, WholeBody{}},
    {"bytes=99999999999999999999999999-99999999999999999999999999", 10, WholeBody{}},
};

TEST(Range, AnswersAsTheTableSays) {
  for (const auto& [header, size, answer] : cases) {
    const auto range = parse_range(header, size);
    EXPECT_EQ(range.index(), answer.index()) << header << " of " << size << ": " << testing::PrintToString(range);
    const auto* part = std::get_if<ByteRange>(&range);
    const auto* expected = std::get_if<ByteRange>(&answer);
    EXPECT_TRUE(!part || !expected || *part == *expected) << header << " of " << size;
  }
}

TEST(Range, NeverLeavesTheBody) {
  for (std::uint64_t size = 0; size < 8; ++size)
    for (int first = -1; first < 10; ++first)
      for (int last = -1; last < 10; ++last) {
        const auto header =
            "bytes=" + (first < 0 ? "" : std::to_string(first)) + "-" + (last < 0 ? "" : std::to_string(last));
        const auto range = parse_range(header, size);
        if (const auto* part = std::get_if<ByteRange>(&range)) {
          EXPECT_GT(part->length, 0U) << header;
          EXPECT_LE(part->offset + part->length, size) << header;
        }
      }
}

}  // namespace
}  // namespace slipway::http
