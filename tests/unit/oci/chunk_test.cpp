#include "oci/chunk.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

TEST(Chunk, IsFirstAndLast) {
  EXPECT_EQ(parse_chunk("0-99").value(), (ByteRange{0, 100}));
  EXPECT_EQ(parse_chunk("100-100").value(), (ByteRange{100, 1}));
  EXPECT_EQ(parse_chunk("bytes 5-6/7").value(), (ByteRange{5, 2}));
  EXPECT_EQ(parse_chunk("5-6/*").value(), (ByteRange{5, 2}));
  EXPECT_EQ(parse_chunk("0-9223372036854775807").value(), (ByteRange{0, 1ULL << 63}));
}

TEST(Chunk, MayBeUnsaid) { EXPECT_EQ(parse_chunk("").value(), std::nullopt); }

TEST(Chunk, IsNothingElse) {
  for (const auto* header :
       {"0", "-", "0-", "-1", "1-0", "a-b", " 0-1", "0-1 ", "0 - 1", "0-1,2-3", "bytes=0-1", "bytes 0-", "+0-1",
        "0-9223372036854775808", "0-18446744073709551615", "0-99999999999999999999", "99999999999999999999-0"})
    EXPECT_EQ(parse_chunk(header).error().failure, Failure::invalid) << header;
}

}  // namespace
}  // namespace slipway::oci
