#include "cli/config_values.hpp"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

using std::chrono::milliseconds;

TEST(Duration, IsReadWithItsUnits) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
  EXPECT_EQ(parse_duration("30s"), milliseconds(30'000));
  EXPECT_EQ(parse_duration("5m"), milliseconds(300'000));
  EXPECT_EQ(parse_duration("24h"), milliseconds(86'400'000));
  EXPECT_EQ(parse_duration("7d"), milliseconds(604'800'000));
  EXPECT_EQ(parse_duration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(parse_duration("1d2h3m4s5ms"), milliseconds(93'784'005));
}

TEST(Duration, IsNothingElse) {
  for (const auto* text : {"", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "1.5h", "5x", "5sec", "1h 30m", "5ss",
                           "30m1h", "1h1h", "1ms1s", "0x5s", "1e3s"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().failure, Failure::invalid);
  }
}

TEST(Duration, DoesNotOverflow) {
  for (const auto* text :
       {"99999999999999999999s", "18446744073709551615ms", "9223372036854775807d", "106751991168d", "9223372036855s"})
    EXPECT_FALSE(parse_duration(text)) << text;
  EXPECT_TRUE(parse_duration("36500d"));
}

TEST(Duration, IsShownAsItIsRead) {
  for (const auto* text : {"250ms", "30s", "90s", "5m", "24h", "7d", "1ms"}) {
    const auto shown = render_duration(*parse_duration(text));
    EXPECT_EQ(parse_duration(shown), *parse_duration(text)) << text << " shown as " << shown;
  }
  EXPECT_EQ(render_duration(milliseconds(5'400'000)), "90m");
  EXPECT_EQ(render_duration(milliseconds(86'400'000)), "1d");
}

TEST(Size, IsReadWithItsUnits) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("65536"), 65536U);
  EXPECT_EQ(parse_size("17 B"), 17U);
  EXPECT_EQ(parse_size("4MiB"), 4U << 20);
  EXPECT_EQ(parse_size("4 MiB"), 4U << 20);
  EXPECT_EQ(parse_size("1GB"), 1'000'000'000U);
  EXPECT_EQ(parse_size("1kB"), 1000U);
  EXPECT_EQ(parse_size("3TiB"), 3ULL << 40);
}

TEST(Size, IsNothingElse) {
  for (const auto* text :
       {"", "B", "MiB", "-1", "+1", "1.5MiB", "4mib", "4M", "4 Mi B", "4MiB ", " 4MiB", "4MiB2", "0x10", "1e6"}) {
    const auto parsed = parse_size(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().failure, Failure::invalid);
  }
}

TEST(Size, DoesNotOverflow) {
  EXPECT_EQ(parse_size("9223372036854775807"), 9223372036854775807U);
  for (const auto* text : {"9223372036854775808", "18446744073709551616", "8388608TiB", "99999999999TiB",
                           "9223372036854775807KiB", "18446744073709551615KiB"})
    EXPECT_FALSE(parse_size(text)) << text;
}

TEST(Size, IsShownAsItIsRead) {
  for (const std::uint64_t size : {0ULL, 1ULL, 1000ULL, 1024ULL, 1ULL << 20, (1ULL << 20) + 1, 3ULL << 40})
    EXPECT_EQ(parse_size(render_size(size)), size) << render_size(size);
  EXPECT_EQ(render_size(4U << 20), "4MiB");
  EXPECT_EQ(render_size(0), "0");
}

TEST(Nearest, IsTheWordThatWasMeant) {
  const std::vector<std::string> known = {"serve", "server", "config", "completion", "limits.connections"};
  EXPECT_EQ(nearest("serv", known), "serve");
  EXPECT_EQ(nearest("serverr", known), "server");
  EXPECT_EQ(nearest("confgi", known), "config");
  EXPECT_EQ(nearest("limits.conections", known), "limits.connections");
}

TEST(Nearest, IsNothingWhereNothingIsNear) {
  const std::vector<std::string> known = {"serve", "config"};
  EXPECT_EQ(nearest("doctor", known), "");
  EXPECT_EQ(nearest("xyzzy", known), "");
  EXPECT_EQ(nearest("serve", {}), "");
}

}  // namespace
}  // namespace slipway::cli
