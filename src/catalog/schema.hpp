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
  const char* sqlite;
};

std::span<const Migration> migrations();

/// Brings a database, new or of an earlier version, up to `version`, or to the newest this binary knows.
Result<> migrate(sql::Database& database, const Clock& clock, int version = std::numeric_limits<int>::max());

}  // namespace slipway::catalog
