#pragma once
// A bounded map from names to what they resolve to, that never shows a state the database has left.
//
// A reader that misses reads the database and offers what it found; a write that will change a name calls
// begin_change() before it commits and end_change() after. Between the two the name is not kept, and an offer made from
// a read that began before the end is refused: so a reader sees the old value or the new one, and once anybody saw the
// new one nobody sees the old.

#include "base/bounded_map.hpp"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace slipway::catalog {

/// Safe to call from any thread. Values must be cheap to copy.
template <typename Value>
class NameCache {
public:
  /// Keeps at most so many entries, and at most so many bytes by what offer() was told.
  NameCache(std::size_t entries_max, std::size_t bytes_max) : m_entries(entries_max, bytes_max) {}

  /// The value, or nothing and a ticket for offer().
  std::optional<Value> find(const std::string& name, std::uint64_t& ticket) {
    const std::lock_guard lock(m_mutex);
    ticket = m_changes;
    const auto* found = m_entries.find(name);
    ++(found ? m_hits : m_misses);
    return found ? std::optional(*found) : std::nullopt;
  }

  /// Keeps what a read that began after `ticket` was given found, unless something changed meanwhile.
  void offer(const std::string& name, Value value, std::size_t bytes, std::uint64_t ticket) {
    const std::lock_guard lock(m_mutex);
    if (ticket == m_changes && m_changing == 0 && !m_entries.contains(name))
      m_entries.put(name, std::move(value), bytes + name.size());
  }

  /// Keeps it whatever else changes, in the place of what was kept: for those who ask the database all the same, and
  /// whether it still is so.
  void note(const std::string& name, Value value, std::size_t bytes) {
    const std::lock_guard lock(m_mutex);
    m_entries.put(name, std::move(value), bytes + name.size());
  }

  void begin_change(const std::string& name) {
    const std::lock_guard lock(m_mutex);
    ++m_changing;
    ++m_changes;
    m_entries.erase(name);
  }

  /// The same for every name.
  void begin_change_of_all() {
    const std::lock_guard lock(m_mutex);
    ++m_changing;
    ++m_changes;
    m_entries.clear();
  }

  void end_change() {
    const std::lock_guard lock(m_mutex);
    --m_changing;
    ++m_changes;
  }

  std::uint64_t hits() const { return counted(m_hits); }
  std::uint64_t misses() const { return counted(m_misses); }

private:
  std::uint64_t counted(const std::uint64_t& counter) const {
    const std::lock_guard lock(m_mutex);
    return counter;
  }

  mutable std::mutex m_mutex;
  BoundedMap<std::string, Value> m_entries;
  std::uint64_t m_changes = 0;
  int m_changing = 0;
  std::uint64_t m_hits = 0, m_misses = 0;
};

}  // namespace slipway::catalog
