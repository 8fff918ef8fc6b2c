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

void Progress::add(std::uint64_t bytes) {
  m_done += bytes;
  const auto interval = m_on_terminal ? std::chrono::milliseconds(200) : std::chrono::seconds(10);
  if (Steady::now() - m_shown < interval) return;
  m_shown = Steady::now();
  show();
}

void Progress::say(const std::string& line) {
  fmt::print(stderr, "{}{}\n", m_has_line ? "\r\033[K" : "", line);
  m_has_line = false;
}

void Progress::show() {
  auto line = m_what + ": " + human_size(m_done);
  if (m_total > 0) line += fmt::format(" of {} ({} %)", human_size(m_total), m_done * 100 / m_total);
  if (m_on_terminal)
    fmt::print(stderr, "\r\033[K{}", line);
  else
    fmt::print(stderr, "{}\n", line);
  m_has_line = m_on_terminal;
}

}  // namespace slipway::cli
