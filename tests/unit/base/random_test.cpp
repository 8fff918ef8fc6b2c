#include "base/random.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace slipway {
namespace {

bool is_hex(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

TEST(RandomHex, HasTwoDigitsAByte) {
  for (const std::size_t bytes : {1U, 8U, 32U}) {
    const auto text = random_hex(bytes);
    EXPECT_EQ(text.size(), 2 * bytes);
    EXPECT_TRUE(is_hex(text)) << text;
  }
  EXPECT_NE(random_hex(16), random_hex(16));
}

TEST(UniqueHex, DiffersAtEachCallOnAnyThread) {
  constexpr std::size_t threads = 4;
  constexpr std::size_t calls = 5000;
  std::mutex mutex;
  std::set<std::string> seen;
  std::vector<std::jthread> running;
  for (std::size_t i = 0; i < threads; ++i)
    running.emplace_back([&] {
      std::vector<std::string> own;
      for (std::size_t call = 0; call < calls; ++call) own.push_back(unique_hex());
      const std::lock_guard lock(mutex);
      seen.insert(own.begin(), own.end());
    });
  running.clear();  // waits
  EXPECT_EQ(seen.size(), threads * calls);
  EXPECT_TRUE(std::ranges::all_of(seen, [](const auto& text) { return text.size() == 16 && is_hex(text); }));
}

}  // namespace
}  // namespace slipway
