#include "sql/write_queue.hpp"

#include <algorithm>

namespace slipway::sql {

Result<> guarded(const std::function<Result<>()>& work) {
  try {
    return work();
  } catch (const StatementFailed& failed) {
    return std::unexpected(failed.error());
  } catch (const std::exception& error) {
    return fail(Failure::io, error.what());
  }
}

WriteQueue::WriteQueue(std::size_t batch_max, std::function<void(const std::vector<Job*>&)> run)
    : m_batch_max(batch_max), m_run(std::move(run)), m_thread([this] { serve(); }) {}

WriteQueue::~WriteQueue() {
  {
    const std::lock_guard lock(m_mutex);
    m_stopping = true;
  }
  m_wake_writer.notify_all();
  m_thread.join();
  std::unique_lock lock(m_mutex);
  m_finished.wait(lock, [this] { return m_writing == 0; });  // who was answered last may still be on the way out
}

Result<> WriteQueue::write(const std::function<Result<>(Session&)>& work) {
  Job job{&work, {}};
  std::unique_lock lock(m_mutex);
  ++m_writing;
  m_waiting.push_back(&job);
  m_wake_writer.notify_one();
  m_finished.wait(lock, [&] { return job.done; });
  if (--m_writing == 0 && m_stopping) m_finished.notify_all();
  return std::move(job.result);
}

void WriteQueue::serve() {
  std::unique_lock lock(m_mutex);
  for (;;) {
    m_wake_writer.wait(lock, [this] { return m_stopping || !m_waiting.empty(); });
    if (m_waiting.empty()) return;
    const auto count = static_cast<std::ptrdiff_t>(std::min(m_waiting.size(), m_batch_max));
    const std::vector<Job*> jobs(m_waiting.begin(), m_waiting.begin() + count);
    m_waiting.erase(m_waiting.begin(), m_waiting.begin() + count);
    lock.unlock();
    m_run(jobs);
    lock.lock();
    for (auto* job : jobs) job->done = true;
    m_finished.notify_all();
  }
}

}  // namespace slipway::sql
