#pragma once
// A bounded number of places: the shape of every limit on how many things may go on at once.

#include <atomic>
#include <cstddef>
#include <utility>

namespace slipway {

/// Hands out at most `places` at a time. Safe to call from any thread; must outlive its places.
class Gate {
public:
  explicit Gate(std::size_t places) : m_places(places) {}

  /// A place, given back when destroyed; false-like when there was none.
  class Place {
  public:
    Place() = default;
    explicit Place(Gate* gate) : m_gate(gate) {}
    Place(Place&& other) noexcept : m_gate(std::exchange(other.m_gate, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(m_gate, other.m_gate);
      return *this;
    }
    ~Place() {
      if (m_gate) m_gate->m_taken.fetch_sub(1, std::memory_order_release);
    }
    explicit operator bool() const { return m_gate != nullptr; }

  private:
    Gate* m_gate = nullptr;
  };

  /// Never waits.
  Place enter() {
    auto taken = m_taken.load(std::memory_order_relaxed);
    while (taken < m_places)
      if (m_taken.compare_exchange_weak(taken, taken + 1, std::memory_order_acquire)) return Place(this);
    return {};
  }

  std::size_t taken() const { return m_taken.load(std::memory_order_relaxed); }
  std::size_t places() const { return m_places; }

private:
  const std::size_t m_places;
  std::atomic<std::size_t> m_taken{0};
};

}  // namespace slipway
