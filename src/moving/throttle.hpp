#pragma once
// Keeps a copy from taking all of a line or a disk.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>

namespace slipway::moving {

/// Safe to call from any thread.
class Throttle {
public:
  /// 0: no limit.
  explicit Throttle(std::uint64_t bytes_per_second) : m_rate(bytes_per_second) {}

  /// Returns when that many more may pass.
  void pass(std::uint64_t bytes) {
    if (m_rate == 0) return;
    const std::chrono::nanoseconds cost(bytes * std::nano::den / m_rate);
    Steady::time_point turn;
    {
      const std::lock_guard lock(m_mutex);
      turn = std::max(m_next, Steady::now());
      m_next = turn + cost;
    }
    std::this_thread::sleep_until(turn);
  }

private:
  using Steady = std::chrono::steady_clock;
  const std::uint64_t m_rate;
  std::mutex m_mutex;  // guards the next
  Steady::time_point m_next{};
};

}  // namespace slipway::moving
