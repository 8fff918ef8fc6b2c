#pragma once
// Several jobs at a time, for what waits for disks and other machines most of its time.

#include "base/result.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace slipway {

/// The first job that fails ends it all: its error is the answer.
class Workers {
public:
  using Job = std::function<Result<>()>;

  explicit Workers(unsigned threads);
  /// Waits for what is being done; what waits is dropped.
  ~Workers();
  Workers(const Workers&) = delete;

  /// Has a job done, after those that wait; waits itself where one for each thread does already. The error, if one has
  /// failed.
  Result<> run(Job job);
  /// Waits until all are done. The error, if one has failed.
  Result<> wait();

private:
  void work();

  const std::size_t m_waiting_max;
  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_changed;
  std::deque<Job> m_waiting;
  Result<> m_outcome;
  std::size_t m_busy = 0;
  bool m_is_ending = false;
  std::vector<std::jthread> m_threads;  // the last: they use the others
};

}  // namespace slipway
