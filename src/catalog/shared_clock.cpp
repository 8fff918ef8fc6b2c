#include "catalog/shared_clock.hpp"

#include "base/boot_clock.hpp"

#include <chrono>
#include <limits>

namespace slipway::catalog {

static std::int64_t boot_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(BootClock::now().time_since_epoch()).count();
}

Result<> SharedClock::compare() {
  // What took longer may have waited on its way there or back; nobody knows which.
  constexpr std::int64_t prompt = 1'000'000;
  constexpr int samples_max = 3;
  std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
  std::int64_t ahead = 0;
  for (int i = 0; i < samples_max && shortest > prompt; ++i)
    TRY(m_database.read([&](sql::Session& session) {
      const auto asked = boot_micros();  // not before there is a connection
      const auto theirs =
          session.number("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)").value_or(0);
      const auto took = boot_micros() - asked;
      if (took >= shortest) return;
      shortest = took;
      ahead = theirs - (asked + took / 2);
    }));
  // An older comparison is better than a doubtful one.
  if (shortest > prompt && m_has_compared) return {};
  m_ahead = ahead;
  m_has_compared = true;
  return {};
}

Timestamp SharedClock::now() const { return from_micros(boot_micros() + m_ahead); }

}  // namespace slipway::catalog
