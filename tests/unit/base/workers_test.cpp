#include "base/workers.hpp"

#include <atomic>
#include <gtest/gtest.h>

namespace slipway {
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

}  // namespace
}  // namespace slipway
