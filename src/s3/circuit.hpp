#pragma once
// Whether a store is worth asking now. While it does not answer at all, those who ask are told at once, instead of each
// waiting for a time-out of its own; while it answers some, there is a budget for asking again, so that a store in
// trouble does not get several times its load.

#include "base/clock.hpp"
#include "base/result.hpp"

#include <chrono>
#include <mutex>
#include <optional>
#include <random>
#include <string>

namespace slipway::s3 {

struct Patience {
  int attempts_max = 6;                            ///< of one request
  std::chrono::milliseconds first_pause{100};      ///< before the second attempt, at most; then twice as long each time
  std::chrono::milliseconds longest_pause{5'000};  ///< at most
  int failures_max = 10;                           ///< in a row, of all requests: then the circuit opens
  std::chrono::milliseconds open_for{2'000};       ///< until one request may find out
};

/// Safe to call from any thread.
class Circuit {
public:
  explicit Circuit(const Patience& patience) : m_patience(patience) {}

  /// Failure::unavailable while it is open, naming the last failure.
  Result<> enter(Steady now);
  /// The store answered; it may have refused.
  void answered();
  void failed(Steady now, std::string reason);
  /// How long to wait before attempt `next` (2, 3, …) of a request; nothing where it should not be made.
  std::optional<std::chrono::milliseconds> pause_before(int next);

private:
  const Patience m_patience;
  std::mutex m_mutex;  // guards what follows
  int m_failures = 0;  // in a row
  Steady m_open_until;
  Steady m_failing_since;
  std::string m_reason;
  // As in AWS's SDKs: a retry takes some of it, each answer gives a little back.
  static constexpr int budget_max = 500;
  static constexpr int retry_cost = 5;
  int m_budget = budget_max;
  std::minstd_rand m_random{std::random_device()()};
};

}  // namespace slipway::s3
