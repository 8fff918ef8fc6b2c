#include "catalog/schema.hpp"

#include "base/random.hpp"

namespace slipway::catalog {

const Schema& schema_of(sql::Dialect dialect) {
  return dialect == sql::Dialect::sqlite ? sqlite_schema() : postgres_schema();
}

int newest_schema() { return sqlite_schema().migrations.back().version; }

Result<> migrate(sql::Database& database, const Clock& clock, int version) {
  const auto& schema = schema_of(database.dialect());
  return database.write([&](sql::Session& session) -> Result<> {
    TRY(session.script(schema.ledger));
    const auto present = session.number("SELECT MAX(version) FROM migration").value_or(0);
    for (const auto& migration : schema.migrations) {
      if (migration.version <= present) continue;
      if (migration.version > version) break;
      TRY(session.script(migration.script));
      session.run("INSERT INTO migration (version, oldest_reader, applied_at) VALUES ($1, $2, $3)",
                  {std::int64_t{migration.version}, std::int64_t{migration.oldest_reader}, to_micros(clock.now())});
    }
    if (present == 0) session.run("INSERT INTO setting (name, value) VALUES ('catalog_id', $1)", {random_hex(16)});
    return {};
  });
}

}  // namespace slipway::catalog
