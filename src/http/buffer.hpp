#pragma once
// Bytes read from a peer and not used yet. Grows by doubling, gives its memory back when it is empty, and keeps count
// in an account shared by all connections, so that memory for request bodies has one bound.

#include "base/bytes.hpp"

#include <atomic>
#include <cstring>
#include <memory>

namespace slipway::http {

class Buffer {
public:
  explicit Buffer(std::atomic<std::size_t>& account) : m_account(account) {}
  Buffer(const Buffer&) = delete;
  ~Buffer() { release(); }

  bool empty() const { return m_begin == m_end; }
  std::size_t size() const { return m_end - m_begin; }
  ByteView view() const { return {m_bytes.get() + m_begin, size()}; }

  /// Room to read into, at least `size_min` bytes; tell how many came with filled().
  std::span<std::byte> room(std::size_t size_min) {
    if (m_capacity - m_end < size_min) make_room(size_min);
    return {m_bytes.get() + m_end, m_capacity - m_end};
  }
  void filled(std::size_t bytes) { m_end += bytes; }

  void consume(std::size_t bytes) {
    m_begin += bytes;
    if (m_begin == m_end) m_begin = m_end = 0;
  }

  void release() {
    m_account.fetch_sub(m_capacity, std::memory_order_relaxed);
    m_bytes.reset();
    m_begin = m_end = m_capacity = 0;
  }

private:
  void make_room(std::size_t size_min) {
    const auto kept = size();
    auto capacity = m_capacity ? m_capacity : 4096;
    while (capacity < kept + size_min) capacity *= 2;
    auto bytes = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (kept) std::memcpy(bytes.get(), m_bytes.get() + m_begin, kept);
    release();
    m_bytes = std::move(bytes);
    m_capacity = capacity;
    m_end = kept;
    m_account.fetch_add(capacity, std::memory_order_relaxed);
  }

  std::atomic<std::size_t>& m_account;
  std::unique_ptr<std::byte[]> m_bytes;
  std::size_t m_begin = 0, m_end = 0, m_capacity = 0;
};

}  // namespace slipway::http
