#pragma once
// A map that forgets what was not asked for lately.

#include <cstddef>
#include <functional>
#include <iterator>
#include <list>
#include <unordered_map>
#include <utility>

namespace slipway {

/// Holds at most so many entries, and at most so many bytes by what put() is told. Not safe for concurrent use.
template <typename Key, typename Value>
class BoundedMap {
public:
  BoundedMap(std::size_t entries_max, std::size_t bytes_max) : m_entries_max(entries_max), m_bytes_max(bytes_max) {}

  /// Null where there is none; valid until the next change. From now on it is the last to be forgotten.
  Value* find(const Key& key) {
    const auto found = m_index.find(&key);
    if (found == m_index.end()) return nullptr;
    m_entries.splice(m_entries.begin(), m_entries, found->second);
    return &found->second->value;
  }

  bool contains(const Key& key) const { return m_index.contains(&key); }

  /// In the place of what is there under that key. What would take more than a quarter of the room is not kept at all.
  void put(const Key& key, Value value, std::size_t bytes) {
    erase(key);
    if (bytes > m_bytes_max / 4) return;
    constexpr std::size_t overhead = sizeof(Entry) + 200;  // nodes, blocks, what the value itself allocates
    m_entries.push_front({key, std::move(value), bytes + overhead});
    m_index.emplace(&m_entries.front().key, m_entries.begin());
    m_bytes += m_entries.front().bytes;
    while (m_entries.size() > m_entries_max || m_bytes > m_bytes_max) drop(std::prev(m_entries.end()));
  }

  void erase(const Key& key) {
    if (const auto found = m_index.find(&key); found != m_index.end()) drop(found->second);
  }

  void clear() {
    m_index.clear();
    m_entries.clear();
    m_bytes = 0;
  }

private:
  struct Entry {
    Key key;
    Value value;
    std::size_t bytes;
  };
  using Position = typename std::list<Entry>::iterator;
  struct HashOfPointed {
    std::size_t operator()(const Key* key) const { return std::hash<Key>()(*key); }
  };
  struct EqualPointed {
    bool operator()(const Key* a, const Key* b) const { return *a == *b; }
  };

  void drop(Position entry) {
    m_bytes -= entry->bytes;
    m_index.erase(&entry->key);
    m_entries.erase(entry);
  }

  const std::size_t m_entries_max;
  const std::size_t m_bytes_max;
  std::list<Entry> m_entries;                                                     // most recently used first
  std::unordered_map<const Key*, Position, HashOfPointed, EqualPointed> m_index;  // by the entries' own keys
  std::size_t m_bytes = 0;
};

}  // namespace slipway
