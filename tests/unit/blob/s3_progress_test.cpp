#include "blob/s3_upload.hpp"

#include <gtest/gtest.h>

namespace slipway::blob {
namespace {

constexpr LocationId id{42};

S3Progress progress() {
  return {.key = "raw/000000000000002a.0123abcd",
          .position = 5'000'010,
          .upload_id = "2~abc",
          .next_part = 2,
          .tail_bytes = 10,
          .tail = "uploads/000000000000002a.89abcdef",
          .leftovers = {"uploads/000000000000002a.00000000"}};
}

TEST(S3Progress, IsWhatItWas) {
  const auto back = S3Progress::read(id, progress().token());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->token(), progress().token());
  EXPECT_EQ(back->position, 5'000'010U);
  EXPECT_EQ(back->leftovers.size(), 1U);
}

TEST(S3Progress, FitsATokenWithAllLeftoversThatItMayName) {
  auto full = progress();
  full.upload_id = std::string(200, 'u');
  full.leftovers.assign(64, full.tail);
  EXPECT_LE(full.token().size(), 4096U);
  EXPECT_TRUE(S3Progress::read(id, full.token()));
}

TEST(S3Progress, NamesNothingOfAnotherLocation) {
  EXPECT_FALSE(S3Progress::read(LocationId{43}, progress().token()));
  for (const auto field : {&S3Progress::key, &S3Progress::tail}) {
    auto other = progress();
    other.*field = "raw/000000000000002b.0123abcd";
    EXPECT_FALSE(S3Progress::read(id, other.token()));
  }
  auto other = progress();
  other.leftovers.emplace_back("store.id");
  EXPECT_EQ(S3Progress::read(id, other.token()).error().failure, Failure::corrupt);
}

TEST(S3Progress, IsRefusedWhereItContradictsItself) {
  const auto refused = [](const auto& change) {
    auto wrong = progress();
    change(wrong);
    return !S3Progress::read(id, wrong.token());
  };
  EXPECT_TRUE(refused([](auto& it) { it.next_part = 0; }));
  EXPECT_TRUE(refused([](auto& it) { it.next_part = 10'002; }));
  EXPECT_TRUE(refused([](auto& it) { it.next_part = 1; }));
  EXPECT_TRUE(refused([](auto& it) { it.upload_id.clear(); }));
  EXPECT_TRUE(refused([](auto& it) { it.tail.clear(); }));
  EXPECT_TRUE(refused([](auto& it) { it.tail_bytes = it.position + 1; }));
  for (const auto* text : {"", "{}", "[]", "42", "{\"leftovers\":[]}", "{\"leftovers\":{}}"})
    EXPECT_FALSE(S3Progress::read(id, text)) << text;
}

}  // namespace
}  // namespace slipway::blob
