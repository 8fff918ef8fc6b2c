#include "sql/lookup_queue.hpp"

#include <algorithm>
#include <cerrno>

namespace slipway::sql {

void Turn::wait() {
  while (::sem_wait(&m_semaphore) != 0) {  // a signal came
  }
  SLIPWAY_INVARIANT(m_has_come.load(std::memory_order_acquire));
}

bool Turn::wait_until(std::chrono::steady_clock::time_point end) {
  const auto left = end.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec until{.tv_sec = seconds.count(),
                       .tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds).count()};
  while (::sem_clockwait(&m_semaphore, CLOCK_MONOTONIC, &until) != 0)
    if (errno != EINTR) return false;
  SLIPWAY_INVARIANT(m_has_come.load(std::memory_order_acquire));
  return true;
}

void Turn::wake() {
  m_has_come.store(true, std::memory_order_release);
  ::sem_post(&m_semaphore);
}

bool LookupQueue::look_up(Lookup& lookup) {
  if (!begin(lookup)) {
    if (!lookup.turn.wait_until(std::chrono::steady_clock::now() + m_limits.turn)) {
      if (withdraw(lookup)) return false;
      lookup.turn.wait();  // somebody is asking for it, with what is its caller's
    }
    if (!lookup.leads) return true;
  }
  ask_for_those_who_wait(lookup);
  // Our own caller should not wait for those who came meanwhile: one of them asks.
  if (auto* heir = next()) {
    heir->leads = true;
    heir->turn.wake();
  }
  return true;
}

/// True where it may ask at once; else it waits from now on.
bool LookupQueue::begin(Lookup& lookup) {
  const std::lock_guard lock(m_mutex);
  if (m_asking == m_limits.asking_max) {
    m_waiting.push_back(&lookup);
    return false;
  }
  ++m_asking;
  return true;
}

/// False if it does not wait any more: it will be woken.
bool LookupQueue::withdraw(const Lookup& lookup) {
  const std::lock_guard lock(m_mutex);
  return std::erase(m_waiting, &lookup) > 0;
}

/// Whatever is thrown, all that were taken are woken: others wait for them.
void LookupQueue::ask_for_those_who_wait(Lookup& first) {
  std::vector<Lookup*> together;
  try {
    together.reserve(m_limits.batch_max);
    together.push_back(&first);
    take_those_who_wait(together);
    m_ask(together);
  } catch (const std::exception&) {  // then they have no answer, and know it
  }
  for (auto* asked : together)
    if (asked != &first) asked->turn.wake();
}

void LookupQueue::take_those_who_wait(std::vector<Lookup*>& together) {
  const std::lock_guard lock(m_mutex);
  for (; !m_waiting.empty() && together.size() < m_limits.batch_max; m_waiting.pop_front())
    together.push_back(m_waiting.front());
}

/// Who asks next, if anybody waits.
LookupQueue::Lookup* LookupQueue::next() {
  const std::lock_guard lock(m_mutex);
  if (m_waiting.empty()) {
    --m_asking;
    return nullptr;
  }
  auto* heir = m_waiting.front();
  m_waiting.pop_front();
  return heir;
}

std::size_t LookupQueue::waiting() const {
  const std::lock_guard lock(m_mutex);
  return m_waiting.size();
}

}  // namespace slipway::sql
