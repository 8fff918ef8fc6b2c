#pragma once
// A bounded map from names to what they resolve to, that never shows a state the database has left.
//
// A reader that misses reads the database and offers what it found; a write that will change a name calls
// begin_change() before it commits and end_change() after. Between the two the name is not kept, and an offer made from
// a read that began before the end is refused: so a reader sees the old value or the new one, and once anybody saw the
// new one nobody sees the old.

#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace slipway::catalog {

/// Safe to call from any thread. Values must be cheap to copy.
template <typename Value>
class NameCache {
public:
  /// Keeps at most so many entries, and at most so many bytes by what offer() was told.
  NameCache(std::size_t entries_max, std::size_t bytes_max) : m_entries_max(entries_max), m_bytes_max(bytes_max) {}

  /// The value, or nothing and a ticket for offer().
  std::optional<Value> find(const std::string& name, std::uint64_t& ticket) {
    const std::lock_guard lock(m_mutex);
    ticket = m_changes;
    const auto found = m_index.find(name);
    if (found == m_index.end()) {
      ++m_misses;
      return std::nullopt;
    }
    ++m_hits;
    m_entries.splice(m_entries.begin(), m_entries, found->second);
    return found->second->value;
  }

  /// Keeps what a read that began after `ticket` was given found, unless something changed meanwhile.
  void offer(const std::string& name, Value value, std::size_t bytes, std::uint64_t ticket) {
    const std::lock_guard lock(m_mutex);
    if (ticket == m_changes && m_changing == 0 && !m_index.contains(name)) add(name, std::move(value), bytes);
  }

  /// Keeps it whatever else changes, in the place of what was kept: for those who ask the database all the same, and
  /// whether it still is so.
  void note(const std::string& name, Value value, std::size_t bytes) {
    const std::lock_guard lock(m_mutex);
    if (const auto found = m_index.find(name); found != m_index.end()) drop(found->second);
    add(name, std::move(value), bytes);
  }

  void begin_change(const std::string& name) {
    const std::lock_guard lock(m_mutex);
    ++m_changing;
    ++m_changes;
    if (const auto found = m_index.find(name); found != m_index.end()) drop(found->second);
  }

  /// The same for every name.
  void begin_change_of_all() {
    const std::lock_guard lock(m_mutex);
    ++m_changing;
    ++m_changes;
    m_index.clear();
    m_entries.clear();
    m_bytes = 0;
  }

  void end_change() {
    const std::lock_guard lock(m_mutex);
    --m_changing;
    ++m_changes;
  }

  std::uint64_t hits() const { return counted(m_hits); }
  std::uint64_t misses() const { return counted(m_misses); }

private:
  struct Entry {
    std::string name;
    Value value;
    std::size_t bytes;
  };
  using Position = typename std::list<Entry>::iterator;

  void add(const std::string& name, Value value, std::size_t bytes) {
    if (bytes > m_bytes_max / 4) return;
    constexpr std::size_t overhead = sizeof(Entry) + 200;  // nodes, blocks, what the value itself allocates
    m_entries.push_front({name, std::move(value), bytes + name.size() + overhead});
    m_index.emplace(m_entries.front().name, m_entries.begin());
    m_bytes += m_entries.front().bytes;
    while (m_entries.size() > m_entries_max || m_bytes > m_bytes_max) drop(std::prev(m_entries.end()));
  }

  void drop(Position entry) {
    m_bytes -= entry->bytes;
    m_index.erase(entry->name);
    m_entries.erase(entry);
  }

  std::uint64_t counted(const std::uint64_t& counter) const {
    const std::lock_guard lock(m_mutex);
    return counter;
  }

  const std::size_t m_entries_max;
  const std::size_t m_bytes_max;
  mutable std::mutex m_mutex;
  std::list<Entry> m_entries;                              // most recently used first
  std::unordered_map<std::string_view, Position> m_index;  // by the entries' own names
  std::size_t m_bytes = 0;
  std::uint64_t m_changes = 0;
  int m_changing = 0;
  std::uint64_t m_hits = 0, m_misses = 0;
};

}  // namespace slipway::catalog
