// What of SQLite is its own; for the rest see contract/database_test.cpp.

#include "sql/sqlite.hpp"

#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

namespace slipway::sql {
namespace {

class SqliteTest : public testing::Test {
protected:
  SqliteTest() { open(); }

  void open() {
    auto opened = SqliteDatabase::open(m_file);
    ASSERT_TRUE(opened) << opened.error().message;
    m_database = std::move(*opened);
    ASSERT_TRUE(m_database->write([](Session& session) -> Result<> {
      session.run("CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB) STRICT");
      return {};
    }));
  }

  Result<> add(std::int64_t id, std::string_view name = "") {
    return m_database->write([&](Session& session) -> Result<> {
      session.run("INSERT INTO item (id, name) VALUES ($1, $2)",
                  {id, name.empty() ? Parameter(nullptr) : Parameter(name)});
      return {};
    });
  }

  std::int64_t count() {
    std::int64_t out = -1;
    EXPECT_TRUE(
        m_database->read([&](Session& session) { out = session.number("SELECT COUNT(*) FROM item").value_or(-1); }));
    return out;
  }

  test::TempDirectory m_directory;
  const std::filesystem::path m_file = m_directory / "db.sqlite";
  std::unique_ptr<SqliteDatabase> m_database;
};

TEST_F(SqliteTest, OpensAnExistingFileForReadingOnly) {
  ASSERT_TRUE(add(1));
  m_database.reset();
  auto opened = SqliteDatabase::open(m_file, SqliteMode::read_only);
  ASSERT_TRUE(opened) << opened.error().message;
  m_database = std::move(*opened);
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(add(2).error().failure, Failure::read_only);
}

TEST_F(SqliteTest, TheLogGivesBackWhatALongReadLetItGrowTo) {
  const std::vector<std::byte> bytes(8U << 20, std::byte{'x'});
  const auto log = m_file.string() + "-wal";
  const auto put = [&](std::int64_t id) {
    EXPECT_TRUE(m_database->write([&](Session& session) -> Result<> {
      session.run("INSERT INTO item (id, bytes) VALUES ($1, $2)", {id, ByteView(bytes)});
      return {};
    }));
  };
  ASSERT_TRUE(m_database->read([&](Session& session) {
    session.number("SELECT COUNT(*) FROM item");  // from here on it sees this state
    for (int id = 0; id < 12; ++id) put(id);
  }));
  EXPECT_GT(std::filesystem::file_size(log), 80U << 20);
  for (int id = 20; id < 24; ++id) ASSERT_TRUE(add(id));
  EXPECT_LE(std::filesystem::file_size(log), 64U << 20);
}

TEST_F(SqliteTest, FailsCleanOnWhatIsNoDatabase) {
  const auto path = m_directory.write("junk", std::string(4096, 'x'));
  const auto opened = SqliteDatabase::open(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().failure, Failure::corrupt);
  EXPECT_FALSE(SqliteDatabase::open(m_directory / "absent" / "db"));
  EXPECT_FALSE(SqliteDatabase::open(m_directory / "missing", SqliteMode::read_only));
}

}  // namespace
}  // namespace slipway::sql
