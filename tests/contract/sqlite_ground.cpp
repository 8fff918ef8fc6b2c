// The databases that are at hand without any service.

#include "database_ground.hpp"
#include "sql/sqlite.hpp"
#include "support/temp_directory.hpp"

namespace slipway::sql {
namespace {

class SqliteGround final : public DatabaseGround {
public:
  std::unique_ptr<Database> open() override {
    return std::move(SqliteDatabase::open(m_directory / "catalog.sqlite").value());
  }

private:
  test::TempDirectory m_directory;
};

}  // namespace

std::vector<DatabaseKind> database_kinds() {
  return {{"Sqlite", [] { return std::unique_ptr<DatabaseGround>(std::make_unique<SqliteGround>()); }}};
}

}  // namespace slipway::sql
