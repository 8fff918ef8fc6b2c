#pragma once
// A fuzzer's bytes: parameters off the front, then what is under test.

#include <cstdint>
#include <string_view>

class Input {
public:
  Input(const std::uint8_t* data, std::size_t size) : m_rest(reinterpret_cast<const char*>(data), size) {}

  /// A little-endian number off the front; bytes that are missing are zero.
  template <typename Number>
  Number number() {
    Number out = 0;
    for (std::size_t i = 0; i < sizeof(Number) && !m_rest.empty(); ++i, m_rest.remove_prefix(1))
      out = static_cast<Number>(out | static_cast<Number>(static_cast<unsigned char>(m_rest.front())) << (8 * i));
    return out;
  }

  /// Up to the first newline, which goes with it.
  std::string_view line() {
    const auto end = m_rest.find('\n');
    const auto out = m_rest.substr(0, end);
    m_rest = end == m_rest.npos ? std::string_view() : m_rest.substr(end + 1);
    return out;
  }

  std::string_view rest() const { return m_rest; }

private:
  std::string_view m_rest;
};
