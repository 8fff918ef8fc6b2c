#include "base/log.hpp"

#include "base/clock.hpp"

#include <algorithm>
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

/// How many bytes the UTF-8 character at the front of `text` has; 0 where none begins there (RFC 3629).
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates, and what is past U+10FFFF.
  const auto second = byte(1);
  const bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                   (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return bad ? 0 : size;
}

void append_escaped(std::string& out, std::string_view text) {
  for (std::size_t size = 1; !text.empty(); text.remove_prefix(std::max<std::size_t>(size, 1))) {
    const char c = text.front();
    const auto byte = static_cast<unsigned char>(c);
    size = character_size(text);
    if (size == 0)
      out.append("\\ufffd");  // a client may send any bytes; a JSON line must stay one
    else if (c == '"' || c == '\\')
      out.append({'\\', c});
    else if (c == '\n')
      out.append("\\n");
    else if (byte < 0x20 || byte == 0x7f)
      out.append(fmt::format("\\u{:04x}", byte));
    else
      out.append(text.substr(0, size));
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
