#pragma once
// The bytes of an upload while they fit into memory.

#include "blob/store.hpp"

#include <atomic>

namespace slipway::blob {

/// Room for small_bytes_max bytes. There is room for so many at once, for all uploads together: however many clients
/// send slowly, what they sent does not fill the memory. Not safe for concurrent use.
class SmallBytes {
public:
  static constexpr int rooms = 256;  // 16 MiB

  /// Nothing while all rooms are taken.
  static std::optional<SmallBytes> take_room() {
    if (s_taken.fetch_add(1) < rooms) return SmallBytes();
    s_taken.fetch_sub(1);
    return std::nullopt;
  }
  SmallBytes(SmallBytes&& other) noexcept
      : m_has_room(std::exchange(other.m_has_room, false)), m_bytes(std::move(other.m_bytes)) {}
  SmallBytes& operator=(SmallBytes&&) = delete;
  ~SmallBytes() {
    if (m_has_room) s_taken.fetch_sub(1);
  }

  bool fits(std::size_t more) const { return m_bytes.size() + more <= small_bytes_max; }
  void append(ByteView bytes) { m_bytes.append(as_text(bytes)); }
  ByteView view() const { return as_bytes(m_bytes); }

private:
  SmallBytes() = default;
  static inline std::atomic<int> s_taken{0};
  bool m_has_room = true;
  std::string m_bytes;
};

}  // namespace slipway::blob
