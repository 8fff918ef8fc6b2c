#include "s3/circuit.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::s3 {

Result<> Circuit::enter(Steady now) {
  const std::lock_guard lock(m_mutex);
  if (m_failures < m_patience.failures_max) return {};
  if (now >= m_open_until) {
    m_open_until = now + m_patience.open_for;  // this one finds out; others go on waiting
    return {};
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - m_failing_since).count();
  return fail(Failure::unavailable, fmt::format("the object store has not answered for {} s: {}", seconds, m_reason));
}

void Circuit::answered() {
  const std::lock_guard lock(m_mutex);
  m_failures = 0;
  m_budget = std::min(m_budget + 1, budget_max);
}

void Circuit::failed(Steady now, std::string reason) {
  const std::lock_guard lock(m_mutex);
  if (m_failures == 0) m_failing_since = now;
  m_reason = std::move(reason);
  if (++m_failures == m_patience.failures_max) m_open_until = now + m_patience.open_for;
}

std::optional<std::chrono::milliseconds> Circuit::pause_before(int next) {
  const std::lock_guard lock(m_mutex);
  if (next > m_patience.attempts_max || m_budget < retry_cost) return std::nullopt;
  m_budget -= retry_cost;
  const auto longest =
      std::min<std::int64_t>(m_patience.longest_pause.count(), m_patience.first_pause.count() << (next - 2));
  // Any length up to that ("full jitter"): whoever failed together does not come back together.
  return std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, longest)(m_random));
}

}  // namespace slipway::s3
