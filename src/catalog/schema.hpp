#pragma once
// The tables, as numbered migrations. Each names the oldest schema version whose binary may still run on the result:
// expand first, contract later, so that a rolling upgrade always has a version both sides understand.

#include "base/clock.hpp"
#include "sql/database.hpp"

#include <limits>
#include <span>

namespace slipway::catalog {

struct Migration {
  int version;
  int oldest_reader;  ///< a binary that knows at least this version may use the database
  const char* script;
};

/// The tables in one database's own words.
struct Schema {
  const char* ledger;  ///< makes the table of applied migrations where it is missing
  std::span<const Migration> migrations;
  const char* begin_filling;  ///< from here on references need not hold, and rows bring ids of their own
  const char* end_filling;    ///< fails where a reference does not hold
  const char* clear;          ///< takes all of it away
};

/// Among the applied migrations while the database is being filled: nothing opens it as a catalog.
constexpr int unfinished_version = 0;

const Schema& schema_of(sql::Dialect dialect);
/// The version of the tables this binary works with; every dialect's last.
int newest_schema();

const Schema& sqlite_schema();
const Schema& postgres_schema();

/// Brings a database, new or of an earlier version, up to `version`, or to the newest this binary knows.
Result<> migrate(sql::Database& database, const Clock& clock, int version = std::numeric_limits<int>::max());

}  // namespace slipway::catalog
