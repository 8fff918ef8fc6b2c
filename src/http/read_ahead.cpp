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

static Result<> bring(const Fd& nowhere, const FileSlice& slice) {
  if (slice.filling) TRY(slice.filling->fill(slice.range));
  bring_into_memory(nowhere, slice);  // what was filled long ago may be on the disk only
  return {};
}

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
  {
    const std::lock_guard lock(m_mutex);
    m_jobs.push_back({std::move(slice), waited_for, std::move(ready)});
  }
  m_waiting.fetch_add(1, std::memory_order_relaxed);
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
    const auto first = std::min(job.slice.range.length, job.waited_for);
    auto& slice = job.slice;
    auto got = bring(nowhere, {slice.file, {slice.range.offset, first}, slice.filling});
    m_waiting.fetch_sub(1, std::memory_order_relaxed);
    bool goes_on = got.has_value();
    job.ready(std::move(got));
    // While that is sent, what comes next; unless somebody waits. From elsewhere in one step, for each is a request.
    auto rest = ByteRange{slice.range.offset + first, slice.range.length - first};
    while (goes_on && rest.length > 0 && waiting() == 0) {
      const auto step = slice.filling ? rest.length : std::min(rest.length, job.waited_for);
      goes_on = bring(nowhere, {slice.file, {rest.offset, step}, slice.filling}).has_value();  // else found again
      rest = {rest.offset + step, rest.length - step};
    }
    job = {};
    lock.lock();
  }
}

}  // namespace slipway::http
