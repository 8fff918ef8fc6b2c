#pragma once
// A few threads for tasks that mostly wait for disks and other machines.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace slipway::moving {

/// One thread gives tasks; they end in no order. Tasks do not throw.
class Crew {
public:
  explicit Crew(std::size_t threads);
  /// Waits for all tasks.
  ~Crew();
  Crew(const Crew&) = delete;

  /// Waits while as many tasks are waiting as there are threads.
  void give(std::function<void()> task);
  /// Until every task that was given is done.
  void wait();

private:
  void work();

  const std::size_t m_size;
  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_has_task, m_has_room, m_is_idle;
  std::deque<std::function<void()>> m_tasks;
  std::size_t m_busy = 0;
  bool m_ends = false;
  std::vector<std::jthread> m_threads;  // the last: they use the others
};

}  // namespace slipway::moving
