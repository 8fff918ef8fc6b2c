#pragma once
// Brings file bytes into memory before a pump ships them, from the disk or from wherever they come, so that neither
// ever stops a pump.

#include "base/fd.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace slipway::http {

/// A few threads and a queue. Safe to call from any thread.
class ReadAhead {
public:
  ReadAhead(std::size_t threads, std::size_t queue_max);
  /// Waits for reads under way; what is queued is dropped without a call.
  ~ReadAhead();

  /// Reads the slice, and calls `ready` on one of its threads once the first `waited_for` bytes are there, or cannot be
  /// had from elsewhere; the rest is read while nobody else waits. What comes from elsewhere comes in one step, for
  /// each is a request there: a shorter one where others wait for a thread. Queues without bound: what bounds it is
  /// that each answer has at most one read waiting, and that an answer begins only while is_full() is false.
  void read(FileSlice slice, std::uint64_t waited_for, std::function<void(Result<>)> ready);

  /// A new answer that needs the disk should be refused.
  bool is_full() const { return waiting() >= m_queue_max; }
  std::size_t waiting() const { return m_waiting.load(std::memory_order_relaxed); }

private:
  struct Job {
    FileSlice slice;
    std::uint64_t waited_for = 0;
    std::function<void(Result<>)> ready;
  };
  void run();
  void read_file(const Fd& nowhere, Job& job);
  void fetch(const Fd& nowhere, Job& job);
  void tell(Job& job, Result<> result);
  bool is_anybody_queued();

  const std::size_t m_queue_max;
  std::atomic<std::size_t> m_waiting{0};
  std::mutex m_mutex;  // guards the two below
  std::deque<Job> m_jobs;
  bool m_stopping = false;
  std::condition_variable m_wake;
  std::vector<std::thread> m_threads;
};

}  // namespace slipway::http
