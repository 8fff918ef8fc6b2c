#pragma once
// A clock that stands still until it is told to go on.

#include "base/clock.hpp"

#include <atomic>

namespace slipway::test {

/// Safe to call from any thread.
class ManualClock final : public Clock {
public:
  explicit ManualClock(Timestamp start = from_micros(1'767'225'600'000'000)) : m_micros(to_micros(start)) {}
  Timestamp now() const override { return from_micros(m_micros); }
  void advance(std::chrono::microseconds by) { m_micros += by.count(); }

private:
  std::atomic<std::int64_t> m_micros;
};

}  // namespace slipway::test
