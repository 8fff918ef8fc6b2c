#include "base/gate.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace slipway {
namespace {

TEST(Gate, LetsInAsManyAsItHasPlaces) {
  Gate gate(2);
  const auto first = gate.enter();
  const auto second = gate.enter();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(gate.enter());
  EXPECT_EQ(gate.taken(), 2U);
  EXPECT_EQ(gate.places(), 2U);
}

TEST(Gate, GetsAPlaceBackWhenItIsDestroyed) {
  Gate gate(1);
  {
    const auto place = gate.enter();
  }
  EXPECT_EQ(gate.taken(), 0U);
  EXPECT_TRUE(gate.enter());
}

TEST(Gate, WithNoPlacesLetsNobodyIn) {
  Gate gate(0);
  EXPECT_FALSE(gate.enter());
}

TEST(Gate, CountsAMovedPlaceOnce) {
  Gate gate(2);
  auto place = gate.enter();
  auto moved = std::move(place);
  EXPECT_FALSE(place);  // NOLINT(bugprone-use-after-move): that it is empty is the promise
  EXPECT_TRUE(moved);
  EXPECT_EQ(gate.taken(), 1U);
  moved = Gate::Place();
  EXPECT_EQ(gate.taken(), 0U);
}

TEST(Gate, IsNeverOverfullUnderManyThreads) {
  Gate gate(3);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 2000; ++n) {
        const auto place = gate.enter();
        if (!place) continue;
        const int now = ++inside;
        int seen = most.load();
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        --inside;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 1);
  EXPECT_EQ(gate.taken(), 0U);
}

}  // namespace
}  // namespace slipway
