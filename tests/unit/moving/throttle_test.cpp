#include "moving/throttle.hpp"

#include <gtest/gtest.h>

namespace slipway::moving {
namespace {

TEST(ThrottleTest, LetsNoMorePassThanItMay) {
  Throttle throttle(1'000'000);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) throttle.pass(10'000);  // the first at once
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(90));
  Throttle open(0);
  open.pass(~std::uint64_t{0});
}

}  // namespace
}  // namespace slipway::moving
