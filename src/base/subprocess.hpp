#pragma once
// Another program that runs for us: what it is told goes to its standard input, what it answers comes from its standard
// output, and what it complains of is kept for the error.

#include "base/fd.hpp"

#include <chrono>
#include <optional>
#include <sys/types.h>
#include <vector>

namespace slipway {

struct Command {
  std::vector<std::string> arguments;          ///< the first is the program, which is looked for as the shell does
  std::vector<std::string> environment;        ///< "NAME=value": in addition to ours, or in its place
  std::string directory;                       ///< to run in; empty: ours
  std::chrono::milliseconds patience{60'000};  ///< for each read or write; then it is killed
  int stop_fd = -1;                            ///< once this can be read, it is killed. Outlives the process
};

/// Not safe for concurrent use. Whoever gives it up kills it, with whatever it started.
class Subprocess {
public:
  /// not_found where there is no such program.
  static Result<Subprocess> start(const Command& command);
  Subprocess(Subprocess&& other) noexcept;
  ~Subprocess();

  /// The whole text. Deadlocks where it answers more than a pipe holds before it has read all: read in between.
  Result<> write(std::string_view text);
  void close_input() { m_input.reset(); }
  /// Up to out.size() bytes; 0 at the end. unavailable past its patience, or once it is to stop.
  Result<std::size_t> read(std::span<std::byte> out);
  /// Up to the next newline, which goes with it; nothing at the end. too_large past `size_max`.
  Result<std::optional<std::string>> read_line(std::size_t size_max = 64U << 10);
  /// Exactly so many. io where it ends before.
  Result<std::string> read_exactly(std::size_t size);
  /// All that is left, then as wait(). too_large past `size_max`.
  Result<std::string> read_all(std::size_t size_max);
  /// Until it has ended. io, with the end of what it complained of, unless it ended with status 0.
  Result<> wait();

private:
  Subprocess(std::string name, std::chrono::milliseconds patience, int stop_fd)
      : m_name(std::move(name)), m_patience(patience), m_stop_fd(stop_fd) {}
  Result<> await(int fd, short events);
  Result<> fill();
  void kill();
  std::string complaints() const;

  std::string m_name;
  std::chrono::milliseconds m_patience;
  int m_stop_fd;
  pid_t m_pid = -1;
  Fd m_input, m_output, m_errors;
  std::string m_buffer;  // read, and not asked for yet
  std::size_t m_buffer_at = 0;
  bool m_is_at_end = false;
};

/// What it prints, if it ends well.
Result<std::string> run(const Command& command, std::size_t output_max = 1U << 20);

}  // namespace slipway
