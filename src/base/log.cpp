#include "base/log.hpp"

#include "base/clock.hpp"

#include <array>
#include <atomic>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace slipway::log {
namespace {

constexpr std::array<std::string_view, 5> names = {"debug", "info", "warn", "error", "off"};

std::atomic<Level> g_level{Level::info};
std::atomic<Format> g_format{Format::text};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("slipway", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out.append({'\\', c});
    else if (c == '\n')
      out.append("\\n");
    else if (byte < 0x20 || byte == 0x7f)
      out.append(fmt::format("\\u{:04x}", byte));
    else
      out.push_back(c);
  }
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '\\' || c == '=' || c == 0x7f) return true;
  return false;
}

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  append_escaped(out, text);
  out.push_back('"');
}

void append_text(std::string& out, std::string_view event, Fields fields) {
  append_escaped(out, event);
  for (const auto& field : fields) {
    out.append(" ").append(field.key).append("=");
    if (field.quoted && needs_quotes(field.value))
      append_quoted(out, field.value);
    else
      out.append(field.value);
  }
}

void append_json(std::string& out, std::string_view event, Fields fields) {
  out.append("\"event\":");
  append_quoted(out, event);
  for (const auto& field : fields) {
    out.append(",\"").append(field.key).append("\":");
    if (field.quoted)
      append_quoted(out, field.value);
    else
      out.append(field.value);
  }
}

}  // namespace

std::optional<Level> level_named(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Level>(i);
  return std::nullopt;
}

std::string_view name_of(Level level) { return names[static_cast<std::size_t>(level)]; }

void configure(Level level, Format format) {
  g_level = level;
  g_format = format;
}

void set_level(Level level) { g_level = level; }
Level level() { return g_level; }

std::string render(Format format, std::string_view event, Fields fields) {
  std::string out;
  if (format == Format::text)
    append_text(out, event, fields);
  else
    append_json(out, event, fields);
  return out;
}

void write(Level level, std::string_view event, Fields fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  const auto time = rfc3339(SystemClock().now());
  const auto format = g_format.load(std::memory_order_relaxed);
  const auto body = render(format, event, fields);
  const auto line = format == Format::text
                        ? fmt::format("{} {:5} {}", time, name_of(level), body)
                        : fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",{}}}", time, name_of(level), body);
  logger().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace slipway::log
