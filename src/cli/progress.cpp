#include "cli/progress.hpp"

#include "base/bytes.hpp"

#include <fmt/core.h>
#include <unistd.h>

namespace slipway::cli {

using Steady = std::chrono::steady_clock;

Progress::Progress(std::string what, std::uint64_t total)
    : m_what(std::move(what)), m_total(total), m_on_terminal(::isatty(STDERR_FILENO) == 1), m_shown(Steady::now()) {}

Progress::~Progress() {
  if (m_has_line) fmt::print(stderr, "\r\033[K");
}

bool Progress::is_time() {
  const auto interval = m_on_terminal ? std::chrono::milliseconds(200) : std::chrono::seconds(10);
  if (Steady::now() - m_shown < interval) return false;
  m_shown = Steady::now();
  return true;
}

void Progress::add(std::uint64_t bytes) {
  m_done += bytes;
  if (!is_time()) return;
  auto line = human_size(m_done);
  if (m_total > 0) line += fmt::format(" of {} ({} %)", human_size(m_total), m_done * 100 / m_total);
  show(line);
}

void Progress::tell(const std::function<std::string()>& state) {
  if (is_time()) show(state());
}

void Progress::say(const std::string& line) {
  fmt::print(stderr, "{}{}\n", m_has_line ? "\r\033[K" : "", line);
  m_has_line = false;
}

void Progress::show(const std::string& line) {
  if (m_on_terminal)
    fmt::print(stderr, "\r\033[K{}: {}", m_what, line);
  else
    fmt::print(stderr, "{}: {}\n", m_what, line);
  m_has_line = m_on_terminal;
}

}  // namespace slipway::cli
