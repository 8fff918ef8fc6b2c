#include "moving/crew.hpp"

namespace slipway::moving {

Crew::Crew(std::size_t threads) : m_size(threads) {
  for (std::size_t i = 0; i < threads; ++i) m_threads.emplace_back([this] { work(); });
}

Crew::~Crew() {
  wait();
  const std::lock_guard lock(m_mutex);
  m_ends = true;
  m_has_task.notify_all();
}

void Crew::give(std::function<void()> task) {
  std::unique_lock lock(m_mutex);
  m_has_room.wait(lock, [this] { return m_tasks.size() < m_size; });
  m_tasks.push_back(std::move(task));
  m_has_task.notify_one();
}

void Crew::wait() {
  std::unique_lock lock(m_mutex);
  m_is_idle.wait(lock, [this] { return m_tasks.empty() && m_busy == 0; });
}

void Crew::work() {
  std::unique_lock lock(m_mutex);
  for (;;) {
    m_has_task.wait(lock, [this] { return m_ends || !m_tasks.empty(); });
    if (m_tasks.empty()) return;
    auto task = std::move(m_tasks.front());
    m_tasks.pop_front();
    ++m_busy;
    m_has_room.notify_one();
    lock.unlock();
    task();
    lock.lock();
    --m_busy;
    if (m_tasks.empty() && m_busy == 0) m_is_idle.notify_all();
  }
}

}  // namespace slipway::moving
