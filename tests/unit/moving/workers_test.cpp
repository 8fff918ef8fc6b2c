#include "moving/workers.hpp"

#include "moving/throttle.hpp"

#include <atomic>
#include <gtest/gtest.h>

namespace slipway::moving {
namespace {

TEST(WorkersTest, DoAllOfIt) {
  std::atomic<int> done = 0;
  Workers workers(4);
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(workers.run([&]() -> Result<> {
      ++done;
      return {};
    }));
  ASSERT_TRUE(workers.wait());
  EXPECT_EQ(done, 1000);
}

TEST(WorkersTest, TheFirstFailureEndsIt) {
  std::atomic<int> done = 0;
  Workers workers(2);
  Result<> outcome;
  int given = 0;
  for (; outcome && given < 100'000; ++given)
    outcome = workers.run([&, given]() -> Result<> {
      ++done;
      if (given == 3) return fail(Failure::io, "the third");
      return {};
    });
  EXPECT_EQ(outcome.error().message, "the third");
  EXPECT_EQ(workers.wait().error().message, "the third");
  EXPECT_LE(done, given);
}

TEST(WorkersTest, WhatWaitsIsDroppedWithThem) {
  std::atomic<int> done = 0;
  {
    Workers workers(1);
    (void)workers.run([&]() -> Result<> {
      ++done;
      return {};
    });
  }
  EXPECT_LE(done, 1);
}

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
