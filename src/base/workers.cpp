#include "base/workers.hpp"

namespace slipway {

Workers::Workers(unsigned threads) : m_waiting_max(threads) {
  SLIPWAY_INVARIANT(threads > 0);
  for (unsigned i = 0; i < threads; ++i) m_threads.emplace_back([this] { work(); });
}

Workers::~Workers() {
  const std::lock_guard lock(m_mutex);
  m_is_ending = true;
  m_waiting.clear();
  m_changed.notify_all();
}

Result<> Workers::run(Job job) {
  std::unique_lock lock(m_mutex);
  m_changed.wait(lock, [this] { return !m_outcome || m_waiting.size() < m_waiting_max; });
  if (!m_outcome) return m_outcome;
  m_waiting.push_back(std::move(job));
  m_changed.notify_all();
  return {};
}

Result<> Workers::wait() {
  std::unique_lock lock(m_mutex);
  m_changed.wait(lock, [this] { return m_waiting.empty() && m_busy == 0; });
  return m_outcome;
}

void Workers::work() {
  std::unique_lock lock(m_mutex);
  for (;;) {
    m_changed.wait(lock, [this] { return !m_waiting.empty() || m_is_ending; });
    if (m_waiting.empty()) return;
    const auto job = std::move(m_waiting.front());
    m_waiting.pop_front();
    if (m_outcome) {
      ++m_busy;
      m_changed.notify_all();
      lock.unlock();
      auto done = job();
      lock.lock();
      --m_busy;
      if (!done && m_outcome) m_outcome = std::move(done);
    }
    m_changed.notify_all();
  }
}

}  // namespace slipway
