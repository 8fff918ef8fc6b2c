#include "http/read_ahead.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/sendfile.h>

namespace slipway::http {

/// Has the kernel read as for anybody who sends the file from its beginning to its end: ahead, and in large pages,
/// which cost a third of what readahead(2) would. A failing disk is found again, and told, by whoever ships.
static void bring_into_memory(const Fd& nowhere, const FileSlice& slice) {
  auto offset = static_cast<off_t>(slice.range.offset);
  for (auto left = slice.range.length; left > 0;) {
    const auto n = ::sendfile(nowhere.get(), slice.file->get(), &offset, left);
    if (n <= 0 && errno != EINTR) return;
    left -= static_cast<std::uint64_t>(std::max<ssize_t>(n, 0));
  }
}

/// What is fetched in one step where others wait: enough that a request is little beside it.
constexpr std::uint64_t shared_step = 8U << 20;

ReadAhead::ReadAhead(std::size_t threads, std::size_t queue_max) : m_queue_max(queue_max) {
  for (std::size_t i = 0; i < threads; ++i) m_threads.emplace_back([this] { run(); });
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(m_mutex);
    m_stopping = true;
  }
  m_wake.notify_all();
  for (auto& thread : m_threads) thread.join();
}

void ReadAhead::read(FileSlice slice, std::uint64_t waited_for, std::function<void(Result<>)> ready) {
  m_waiting.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(m_mutex);
    m_jobs.push_back({std::move(slice), waited_for, std::move(ready)});
  }
  m_wake.notify_one();
}

void ReadAhead::run() {
  const Fd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::unique_lock lock(m_mutex);
  for (;;) {
    m_wake.wait(lock, [this] { return m_stopping || !m_jobs.empty(); });
    if (m_stopping) return;
    auto job = std::move(m_jobs.front());
    m_jobs.pop_front();
    lock.unlock();
    const auto& [file, range, filling] = job.slice;
    if (filling && filling->filled(range.offset) < range.length)
      fetch(nowhere, job);
    else
      read_file(nowhere, job);
    job = {};
    lock.lock();
  }
}

void ReadAhead::read_file(const Fd& nowhere, Job& job) {
  const auto& slice = job.slice;
  const auto first = std::min(slice.range.length, job.waited_for);
  bring_into_memory(nowhere, {slice.file, {slice.range.offset, first}});
  tell(job, {});
  // While that is sent, what comes next; unless somebody waits.
  auto rest = ByteRange{slice.range.offset + first, slice.range.length - first};
  while (rest.length > 0 && waiting() == 0) {
    const auto step = std::min(rest.length, job.waited_for);
    bring_into_memory(nowhere, {slice.file, {rest.offset, step}});
    rest = {rest.offset + step, rest.length - step};
  }
}

void ReadAhead::fetch(const Fd& nowhere, Job& job) {
  const auto& slice = job.slice;
  const auto first = std::min(slice.range.length, job.waited_for);
  const auto length =
      is_anybody_queued() ? std::min(slice.range.length, std::max(first, shared_step)) : slice.range.length;
  const auto tell_if_there = [&] {
    if (job.ready && slice.filling->filled(slice.range.offset) >= first) tell(job, {});
  };
  // What was filled long ago may be on the disk only.
  if (slice.filling->filled(slice.range.offset) >= first)
    bring_into_memory(nowhere, {slice.file, {slice.range.offset, first}});
  tell_if_there();
  auto filled = slice.filling->fill({slice.range.offset, length}, tell_if_there);
  if (job.ready) tell(job, std::move(filled));  // else whoever comes to what is missing finds out again
}

void ReadAhead::tell(Job& job, Result<> result) {
  m_waiting.fetch_sub(1, std::memory_order_relaxed);
  std::exchange(job.ready, nullptr)(std::move(result));
}

bool ReadAhead::is_anybody_queued() {
  const std::lock_guard lock(m_mutex);
  return !m_jobs.empty();
}

}  // namespace slipway::http
