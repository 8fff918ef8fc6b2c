#include "sql/sqlite.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

namespace slipway::sql {
namespace {

using Mode = SqliteMode;

TEST(CopySqlite, IsRefusedWhileTheTargetIsLocked) {
  const test::TempDirectory directory;
  const auto from = directory / "from";
  const auto to = directory / "to";
  ASSERT_TRUE((*SqliteConnection::open(from, Mode::read_write))->script("CREATE TABLE t (n)"));
  {
    const auto other = SqliteConnection::open(to, Mode::read_write);
    ASSERT_TRUE((*other)->script("BEGIN EXCLUSIVE"));
    const auto copied = copy_sqlite(from, to);  // waits for a while
    ASSERT_FALSE(copied);
    EXPECT_EQ(copied.error().failure, Failure::busy);
  }
  ASSERT_TRUE(copy_sqlite(from, to));
  EXPECT_TRUE((*SqliteConnection::open(to, Mode::read_only))->script("SELECT n FROM t"));
}

}  // namespace
}  // namespace slipway::sql
