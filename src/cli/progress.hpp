#pragma once
// How far a long command is: a line that changes on a terminal, a line now and then in a log. On standard error, for
// standard output is the answer.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace slipway::cli {

/// Not safe for concurrent use.
class Progress {
public:
  /// `total`: bytes; 0 where nobody knows.
  Progress(std::string what, std::uint64_t total);
  ~Progress();
  void add(std::uint64_t bytes);
  /// Of a command that counts more than bytes: how far it is, in words of its own.
  void tell(const std::function<std::string()>& state);
  /// A line that stays.
  void say(const std::string& line);

private:
  bool is_time();
  void show(const std::string& line);

  const std::string m_what;
  const std::uint64_t m_total;
  const bool m_on_terminal;
  std::uint64_t m_done = 0;
  std::chrono::steady_clock::time_point m_shown;
  bool m_has_line = false;
};

}  // namespace slipway::cli
