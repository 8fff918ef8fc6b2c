#include "cli/config_values.hpp"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsUnitsAloneAndTogether) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("24h"), 24h);
  EXPECT_EQ(parse_duration("7d"), 24h * 7);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("0s"), 0ms);
}

TEST(Duration, RefusesWhatItCannotMean) {
  for (const auto* bad : {"", "30", "s", "30 s", "-1s", "1.5s", "30x", "99999999999999999999s", "18446744073709551615d",
                          "9223372036854775807ms"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Duration, IsWrittenAsItCanBeRead) {
  for (const auto value : {1ms, 1000ms, 90'000ms, 3'600'000ms, 86'400'000ms, 1234ms})
    EXPECT_EQ(parse_duration(render_duration(value)), value);
  EXPECT_EQ(render_duration(30s), "30s");
  EXPECT_EQ(render_duration(24h), "1d");
}

TEST(Size, ReadsBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_size("65536"), 65536U);
  EXPECT_EQ(parse_size("4MiB"), 4U << 20);
  EXPECT_EQ(parse_size("4 MiB"), 4U << 20);
  EXPECT_EQ(parse_size("10GB"), 10'000'000'000U);
  EXPECT_EQ(parse_size("7B"), 7U);
}

TEST(Size, RefusesWhatItCannotMean) {
  for (const auto* bad : {"", "MiB", "4mib", "-1", "1.5MiB", "9223372036854775808", "99999999999TiB", "4 MiB x"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Size, IsWrittenAsItCanBeRead) {
  for (const std::uint64_t value : {0ULL, 1ULL, 1023ULL, 1024ULL, 4ULL << 20, 5ULL << 30, 1ULL << 40, 12345ULL})
    EXPECT_EQ(parse_size(render_size(value)), value);
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string> known{"limits.connections", "limits.uploads", "server.listen", "ls"};
  EXPECT_EQ(nearest("limits.conections", known), "limits.connections");
  EXPECT_EQ(nearest("server.lisen", known), "server.listen");
  EXPECT_EQ(nearest("lss", known), "ls");
  EXPECT_EQ(nearest("something.entirely.different", known), "");
}

}  // namespace
}  // namespace slipway::cli
