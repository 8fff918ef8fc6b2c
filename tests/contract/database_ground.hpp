#pragma once
// The databases that the contracts are asked of. Whoever links the tests says which, in database_kinds().

#include "sql/database.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace slipway::sql {

/// A database that outlives the process that uses it; empty at first.
class DatabaseGround {
public:
  virtual ~DatabaseGround() = default;
  virtual std::unique_ptr<Database> open() = 0;
};

struct DatabaseKind {
  const char* name;
  std::unique_ptr<DatabaseGround> (*make)();
};

/// Else a test's name would hold addresses, other ones at each run.
inline void PrintTo(const DatabaseKind& kind, std::ostream* out) { *out << kind.name; }

std::vector<DatabaseKind> database_kinds();

}  // namespace slipway::sql

#define INSTANTIATE_FOR_DATABASES(suite)                                                                               \
  INSTANTIATE_TEST_SUITE_P(Databases, suite, testing::ValuesIn(slipway::sql::database_kinds()),                        \
                           [](const auto& tested) { return std::string(tested.param.name); })
