#include "catalog/shared_clock.hpp"

#include <chrono>

namespace slipway::catalog {

static std::int64_t steady_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Result<> SharedClock::compare() {
  std::int64_t theirs = 0;
  const auto asked = steady_micros();
  TRY(m_database.read([&](sql::Session& session) {
    theirs = session.number("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)").value_or(0);
  }));
  const auto answered = steady_micros();
  m_ahead = theirs - (asked + (answered - asked) / 2);
  return {};
}

Timestamp SharedClock::now() const { return from_micros(steady_micros() + m_ahead); }

}  // namespace slipway::catalog
