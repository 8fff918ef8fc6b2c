#include "base/boot_clock.hpp"
#include "base/clock.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace slipway {
namespace {

TEST(Rfc3339, WritesMicrosecondsInUtc) {
  EXPECT_EQ(rfc3339(from_micros(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(rfc3339(from_micros(1)), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(rfc3339(from_micros(1'795'335'330'123'456)), "2026-11-22T08:15:30.123456Z");
}

TEST(Rfc3339, KnowsLeapDays) {
  EXPECT_EQ(rfc3339(from_micros(951'782'400'000'000)), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(rfc3339(from_micros(4'107'542'400'000'000)), "2100-03-01T00:00:00.000000Z");
}

TEST(Rfc3339, CountsBackwardsBefore1970) { EXPECT_EQ(rfc3339(from_micros(-1)), "1969-12-31T23:59:59.999999Z"); }

TEST(Rfc3339, IsReadAsItIsWritten) {
  for (const std::int64_t micros : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1'795'335'330'123'456}})
    EXPECT_EQ(parse_rfc3339(rfc3339(from_micros(micros))), from_micros(micros));
  EXPECT_EQ(parse_rfc3339("2000-02-29T00:00:00Z"), from_micros(951'782'400'000'000));
  for (const auto* bad : {"", "2000-02-29", "2000-02-29T00:00:00", "2000-02-29T00:00:00+01:00", "2000-13-29T00:00:00Z",
                          "2000-02-29T00:00:00.1Z", "2000-02-29T00:00:00.-12345Z", "2000-02-29 00:00:00Z"})
    EXPECT_EQ(parse_rfc3339(bad), std::nullopt) << bad;
}

TEST(Timestamp, SurvivesTheCatalog) {
  for (const std::int64_t micros : {std::int64_t{-5}, std::int64_t{0}, std::int64_t{1'795'335'330'123'456}})
    EXPECT_EQ(to_micros(from_micros(micros)), micros);
}

TEST(SystemClock, GoesForward) {
  const SystemClock clock;
  const auto first = clock.now();
  EXPECT_GT(to_micros(first), 1'700'000'000'000'000);
}

TEST(BootClock, GoesOnAtTheSteadyClocksPaceAtLeast) {
  const auto steady = std::chrono::steady_clock::now();
  const auto boot = BootClock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const auto passed = std::chrono::steady_clock::now() - steady;
  EXPECT_GE(passed, std::chrono::milliseconds(2));
  EXPECT_GE(BootClock::now() - boot, std::chrono::milliseconds(2));
  EXPECT_GE(BootClock::now().time_since_epoch(), std::chrono::steady_clock::now().time_since_epoch() - passed);
}

}  // namespace
}  // namespace slipway
