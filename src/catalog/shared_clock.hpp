#pragma once
// The time of a database that several servers share: what decides about leases and expiries is not to depend on which
// of their clocks is wrong.

#include "base/clock.hpp"
#include "sql/database.hpp"

#include <atomic>

namespace slipway::catalog {

/// The database's time as compare() saw it last, going on at this machine's pace, however its clock is set meanwhile.
/// Safe to call from any thread. The database outlives it.
class SharedClock final : public Clock {
public:
  explicit SharedClock(sql::Database& database) : m_database(database) {}
  /// Before anybody asks, and now and then: pace differs too.
  Result<> compare();
  Timestamp now() const override;

private:
  sql::Database& m_database;
  std::atomic<bool> m_has_compared = false;
  std::atomic<std::int64_t> m_ahead = 0;  // microseconds, of this machine's time since its start
};

}  // namespace slipway::catalog
