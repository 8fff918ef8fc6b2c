// The contracts are asked of PostgreSQL.

#include "database_ground.hpp"
#include "postgres_place.hpp"

namespace slipway::sql {
namespace {

class PostgresGround final : public DatabaseGround {
public:
  std::unique_ptr<Database> open() override {
    auto opened = PostgresDatabase::open({.url = m_schema.url()});
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }

private:
  TestSchema m_schema;
};

}  // namespace

std::vector<DatabaseKind> database_kinds() {
  return {{"Postgres", [] { return std::unique_ptr<DatabaseGround>(std::make_unique<PostgresGround>()); }}};
}

}  // namespace slipway::sql
