#include "base/wake.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <thread>

namespace slipway {
namespace {

bool is_rung(const Wake& wake) {
  pollfd waiting{wake.fd(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1;
}

TEST(Wake, IsQuietUntilItIsRung) {
  const Wake wake;
  EXPECT_FALSE(is_rung(wake));
  wake.ring();
  EXPECT_TRUE(is_rung(wake));
}

TEST(Wake, IsClearedOfAllRingsAtOnce) {
  const Wake wake;
  for (int i = 0; i < 3; ++i) wake.ring();
  wake.clear();
  EXPECT_FALSE(is_rung(wake));
}

TEST(Wake, MayBeClearedWithoutHavingBeenRung) {
  const Wake wake;
  wake.clear();
  wake.ring();
  EXPECT_TRUE(is_rung(wake));
}

TEST(Wake, EndsASleepInAnotherThread) {
  const Wake wake;
  int woken = 0;
  std::thread sleeper([&] {
    pollfd waiting{wake.fd(), POLLIN, 0};
    woken = ::poll(&waiting, 1, -1);
  });
  wake.ring();
  sleeper.join();
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace slipway
