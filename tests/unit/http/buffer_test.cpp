#include "http/buffer.hpp"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

void append(Buffer& buffer, std::string_view text) {
  const auto room = buffer.room(text.size());
  ASSERT_GE(room.size(), text.size());
  std::memcpy(room.data(), text.data(), text.size());
  buffer.filled(text.size());
}

TEST(Buffer, GivesBackWhatWasPutIn) {
  std::atomic<std::size_t> account{0};
  Buffer buffer(account);
  EXPECT_TRUE(buffer.empty());
  append(buffer, "hello ");
  append(buffer, "world");
  EXPECT_EQ(as_text(buffer.view()), "hello world");
  buffer.consume(6);
  EXPECT_EQ(as_text(buffer.view()), "world");
  EXPECT_EQ(buffer.size(), 5U);
  buffer.consume(5);
  EXPECT_TRUE(buffer.empty());
}

TEST(Buffer, KeepsWhatIsUnusedWhenItGrows) {
  std::atomic<std::size_t> account{0};
  Buffer buffer(account);
  append(buffer, std::string(4000, 'a') + "tail");
  buffer.consume(4000);
  append(buffer, std::string(100'000, 'b'));
  EXPECT_EQ(as_text(buffer.view()), "tail" + std::string(100'000, 'b'));
}

TEST(Buffer, AccountsForItsMemoryAndGivesItBack) {
  std::atomic<std::size_t> account{0};
  {
    Buffer first(account);
    Buffer second(account);
    append(first, "x");
    EXPECT_EQ(account, 4096U);
    append(second, std::string(5000, 'x'));
    EXPECT_EQ(account, 4096U + 8192U);
    first.release();
    EXPECT_EQ(account, 8192U);
    EXPECT_TRUE(first.empty());
    append(first, "again");
    EXPECT_EQ(as_text(first.view()), "again");
  }
  EXPECT_EQ(account, 0U);
}

TEST(Buffer, DoesNotGrowWithWhatPassesThrough) {
  std::atomic<std::size_t> account{0};
  Buffer buffer(account);
  for (int i = 0; i < 1000; ++i) {
    append(buffer, std::string(1000, 'x'));
    buffer.consume(1000);
  }
  EXPECT_EQ(account, 4096U);
}

}  // namespace
}  // namespace slipway::http
