#pragma once
// The writes that wait for a database's one writer: a thread that takes all that wait and commits them together. For
// the drivers, not for others.

#include "sql/database.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace slipway::sql {

/// What `work` returns, or what it threw as an error.
Result<> guarded(const std::function<Result<>()>& work);

/// Safe to call from any thread.
class WriteQueue {
public:
  struct Job {
    const std::function<Result<>(Session&)>* work;
    Result<> result;
    bool done = false;
  };

  /// `run` gives each job its result, of up to `batch_max` at once; it is called on the queue's own thread only.
  WriteQueue(std::size_t batch_max, std::function<void(const std::vector<Job*>&)> run);
  /// Waiting writes are finished first.
  ~WriteQueue();

  /// Waits until `work` has its result.
  Result<> write(const std::function<Result<>(Session&)>& work);

private:
  void serve();

  const std::size_t m_batch_max;
  const std::function<void(const std::vector<Job*>&)> m_run;

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_wake_writer;
  std::condition_variable m_finished;
  std::deque<Job*> m_waiting;
  std::size_t m_writing = 0;  // callers within write()
  bool m_stopping = false;

  std::thread m_thread;
};

}  // namespace slipway::sql
