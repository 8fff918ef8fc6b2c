#pragma once
// Which call of a faulty fake fails, and how.

#include "base/result.hpp"

#include <atomic>

namespace slipway::test {

enum class Fault {
  before,  ///< nothing was done
  after,   ///< it was done, and only the answer was lost
};

/// Fails the n-th call it is asked about, counted from 1; 0: none. Safe to call from any thread once armed.
class FaultPlan {
public:
  void arm(int call, Fault fault = Fault::before, Failure failure = Failure::io) {
    m_calls = 0;
    m_call = call;
    m_fault = fault;
    m_failure = failure;
  }
  void disarm() { arm(0); }

  int calls() const { return m_calls; }
  bool has_struck() const { return m_call > 0 && m_calls >= m_call; }

  /// Runs `call`, a function that returns a Result, unless it is its turn to fail.
  template <typename Call>
  auto run(Call call) -> decltype(call()) {
    if (++m_calls != m_call) return call();
    if (m_fault == Fault::after) static_cast<void>(call());
    return fail(m_failure, "injected fault");
  }

private:
  std::atomic<int> m_calls{0};
  int m_call = 0;
  Fault m_fault = Fault::before;
  Failure m_failure = Failure::io;
};

}  // namespace slipway::test
