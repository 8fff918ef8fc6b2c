#include "base/bytes.hpp"

#include "base/random.hpp"

#include <array>
#include <gtest/gtest.h>
#include <limits>

namespace slipway {
namespace {

TEST(Hex, WritesTwoLowerCaseDigitsAByte) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\x0f\xa0\xff", 4))), "000fa0ff");
  EXPECT_EQ(to_hex({}), "");
}

TEST(Hex, ReadsEveryByteBack) {
  for (int value = 0; value < 256; ++value) {
    const std::array in{static_cast<std::byte>(value)};
    std::array<std::byte, 1> out{};
    ASSERT_TRUE(from_hex(to_hex(in), out));
    EXPECT_EQ(out, in);
  }
}

TEST(Hex, RefusesWhatIsNotExactlyItsLength) {
  std::array<std::byte, 2> out{};
  for (const auto* text : {"", "0", "00", "000", "00000", "000000"}) EXPECT_FALSE(from_hex(text, out)) << text;
  EXPECT_TRUE(from_hex("0000", out));
}

TEST(Hex, RefusesUpperCaseAndOtherCharacters) {
  std::array<std::byte, 1> out{};
  for (const auto* text : {"AB", "aB", "0x", "g0", "0g", " 0", "0 ", "-1", "+1", "\xc3\xa9"})
    EXPECT_FALSE(from_hex(text, out)) << text;
}

TEST(HumanSize, SpeaksInPowersOf1024) {
  EXPECT_EQ(human_size(0), "0 B");
  EXPECT_EQ(human_size(1023), "1023 B");
  EXPECT_EQ(human_size(1024), "1.0 KiB");
  EXPECT_EQ(human_size(1536), "1.5 KiB");
  EXPECT_EQ(human_size(5ULL << 30), "5.0 GiB");
  EXPECT_EQ(human_size(std::numeric_limits<std::uint64_t>::max()), "16384.0 PiB");
}

TEST(RandomHex, HasTheLengthAskedForAndDoesNotRepeat) {
  const auto first = random_hex(16);
  EXPECT_EQ(first.size(), 32U);
  EXPECT_EQ(first.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(first, random_hex(16));
  EXPECT_EQ(random_hex(0), "");
}

}  // namespace
}  // namespace slipway
