#include "blob/copy_mark.hpp"

#include "support/memory_objects.hpp"

#include <gtest/gtest.h>

namespace slipway::blob {
namespace {

using test::MemoryObjects;

class CopyMarkTest : public testing::Test {
protected:
  Result<CopyMark> begin(const std::string& original = "original", bool unused = true) {
    return CopyMark::begin(m_root, "the place", original, [=] { return Result<bool>(unused); });
  }
  std::string text(const char* name) { return m_root.get(name).value_or("(nothing)"); }

  MemoryObjects m_root;
};

TEST_F(CopyMarkTest, IsGoneOnWithUntilItIsFinished) {
  ASSERT_TRUE(begin());
  auto mark = begin("original", false);
  ASSERT_TRUE(mark) << mark.error().message;
  std::string paired;
  ASSERT_TRUE(mark->finish([&](const std::string& identity) {
    paired = identity;
    EXPECT_EQ(text("copy.id"), "original\n");  // else a kill would leave a store that no catalog knows
    return Result<>();
  }));
  EXPECT_EQ(text("store.id"), paired + "\n");
  EXPECT_NE(paired, "original");
  EXPECT_EQ(text("copy.id"), "(nothing)");
  EXPECT_EQ(begin().error().failure, Failure::conflict);
}

TEST_F(CopyMarkTest, HasOneIdentityHoweverOftenItIsFinished) {
  auto mark = begin();
  std::string first, second;
  EXPECT_FALSE(mark->finish([&](const std::string& identity) -> Result<> {
    first = identity;
    return fail(Failure::unavailable, "the catalog is gone");
  }));
  auto again = begin();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->identity(), first);
  EXPECT_TRUE(again->finish([&](const std::string& identity) {
    second = identity;
    return Result<>();
  }));
  EXPECT_EQ(first, second);
}

TEST_F(CopyMarkTest, MayTakeThePlaceOfTheOriginal) {
  const auto cut_short = begin()->finish_as_original([] { return fail(Failure::io, "the disk is gone"); });
  EXPECT_FALSE(cut_short);
  EXPECT_FALSE(begin()->identity().empty());  // and it can be gone on with
  ASSERT_TRUE(begin()->finish_as_original([] { return Result<>(); }));
  EXPECT_EQ(text("store.id"), "original\n");
  EXPECT_EQ(text("copy.id"), "(nothing)");
}

TEST_F(CopyMarkTest, RemembersWhatIsDamaged) {
  ASSERT_TRUE(begin()->set_damaged_packs({"packs/a", "packs/b"}));
  EXPECT_EQ(begin()->damaged_packs(), (std::set<std::string>{"packs/a", "packs/b"}));
  ASSERT_TRUE(begin()->set_damaged_packs({}));
  EXPECT_TRUE(begin()->damaged_packs().empty());
}

TEST_F(CopyMarkTest, RefusesPlacesThatAreTaken) {
  EXPECT_EQ(begin("original", false).error().failure, Failure::invalid);
  ASSERT_TRUE(begin());
  EXPECT_EQ(begin("another").error().failure, Failure::conflict);
  MemoryObjects store;
  ASSERT_TRUE(store.put("store.id", "something\n"));
  EXPECT_EQ(CopyMark::begin(store, "the place", "original", [] { return Result<bool>(false); }).error().failure,
            Failure::conflict);
}

}  // namespace
}  // namespace slipway::blob
