#include "http/read_ahead.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>

namespace slipway::http {

/// Asks for all of it at once, then waits for the first parts; a failing disk is found again, and told, by whoever
/// ships.
static void bring_into_memory(const FileSlice& slice, std::uint64_t waited_for) {
  constexpr std::uint64_t step = 64U << 10;
  const int file = slice.file->get();
  ::readahead(file, static_cast<off_t>(slice.range.offset), slice.range.length);
  std::array<std::byte, 1> byte;
  const auto end = slice.range.offset + std::min(slice.range.length, waited_for);
  for (auto at = slice.range.offset; at < end; at += step) static_cast<void>(read_some(file, byte, at));
  if (end > slice.range.offset) static_cast<void>(read_some(file, byte, end - 1));
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

void ReadAhead::read(FileSlice slice, std::uint64_t waited_for, std::function<void()> ready) {
  {
    const std::lock_guard lock(m_mutex);
    m_jobs.push_back({std::move(slice), waited_for, std::move(ready)});
  }
  m_waiting.fetch_add(1, std::memory_order_relaxed);
  m_wake.notify_one();
}

void ReadAhead::run() {
  std::unique_lock lock(m_mutex);
  for (;;) {
    m_wake.wait(lock, [this] { return m_stopping || !m_jobs.empty(); });
    if (m_stopping) return;
    const auto job = std::move(m_jobs.front());
    m_jobs.pop_front();
    lock.unlock();
    bring_into_memory(job.slice, job.waited_for);
    m_waiting.fetch_sub(1, std::memory_order_relaxed);
    job.ready();
    lock.lock();
  }
}

}  // namespace slipway::http
