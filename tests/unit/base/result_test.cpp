#include "base/result.hpp"

#include <cerrno>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace slipway {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return fail(Failure::invalid, "odd");
  return number / 2;
}

Result<int> quarter(int number) {
  TRY_ASSIGN(const int once, half(number));
  TRY_ASSIGN(const int twice, half(once));
  return twice;
}

Result<> check_even(int number, int& steps) {
  TRY(half(number));
  ++steps;
  return {};
}

TEST(Result, TryAssignGivesTheValue) { EXPECT_EQ(quarter(12), 3); }

TEST(Result, TryAssignHandsTheErrorToTheCaller) {
  const auto result = quarter(6);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().failure, Failure::invalid);
  EXPECT_EQ(result.error().message, "odd");
}

TEST(Result, TryStopsAtTheFirstError) {
  int steps = 0;
  EXPECT_TRUE(check_even(2, steps));
  EXPECT_FALSE(check_even(3, steps));
  EXPECT_EQ(steps, 1);
}

TEST(Result, TryAssignMovesWhatCannotBeCopied) {
  const auto boxed = [](int number) -> Result<std::unique_ptr<int>> {
    TRY_ASSIGN(auto box, Result<std::unique_ptr<int>>(std::make_unique<int>(number)));
    return box;
  };
  const auto box = boxed(7);
  ASSERT_TRUE(box);
  EXPECT_EQ(**box, 7);
}

TEST(Result, ContextIsPutInFrontAndTheFailureKept) {
  const Error error{Failure::corrupt, "short file"};
  const auto outer = error.during("blob 7").during("serving");
  EXPECT_EQ(outer.failure, Failure::corrupt);
  EXPECT_EQ(outer.message, "serving: blob 7: short file");
}

TEST(Result, EveryFailureHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const auto failure :
       {Failure::not_found, Failure::invalid, Failure::conflict, Failure::denied, Failure::too_large,
        Failure::out_of_range, Failure::read_only, Failure::no_space, Failure::busy, Failure::corrupt, Failure::io})
    names.insert(name_of(failure));
  EXPECT_EQ(names.size(), 11U);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(ErrnoError, TellsApartWhatCallersHandle) {
  EXPECT_EQ(errno_error(ENOSPC, "writing").failure, Failure::no_space);
  EXPECT_EQ(errno_error(EDQUOT, "writing").failure, Failure::no_space);
  EXPECT_EQ(errno_error(EROFS, "writing").failure, Failure::read_only);
  EXPECT_EQ(errno_error(ENOENT, "opening").failure, Failure::not_found);
  EXPECT_EQ(errno_error(EMFILE, "opening").failure, Failure::busy);
  EXPECT_EQ(errno_error(EIO, "reading").failure, Failure::io);
  EXPECT_EQ(errno_error(EACCES, "opening").failure, Failure::io);
}

TEST(ErrnoError, NamesTheStepAndTheReason) {
  EXPECT_EQ(errno_error(ENOENT, "opening /x").message, "opening /x: No such file or directory");
}

TEST(InvariantDeathTest, EndsTheProcessWithPlaceAndSentence) {
  EXPECT_DEATH(SLIPWAY_INVARIANT(1 + 1 == 3), "broken invariant at .*result_test.cpp:[0-9]+: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace slipway
