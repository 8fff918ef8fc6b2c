#pragma once
// The one door to the log: a line is a level, a short event name, and key=value fields; text for people or JSON for
// machines, to standard error. spdlog writes it (log.cpp); nobody else includes it, since it is slow to compile.
// Safe to call from any thread.

#include <cstdint>
#include <fmt/core.h>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };
enum class Format : std::uint8_t { text, json };

std::optional<Level> level_named(std::string_view name);
std::string_view name_of(Level level);

/// Call once, early, from one thread. Until then lines go out as text from `info` up.
void configure(Level level, Format format);
/// May be called at any time: levels change at run time.
void set_level(Level level);
Level level();

/// A field's value: text is quoted where it must be, numbers and booleans are written bare.
struct Field {
  std::string_view key;
  std::string value;
  bool quoted;

  Field(std::string_view key_, std::string_view value_) : key(key_), value(value_), quoted(true) {}
  Field(std::string_view key_, const std::string& value_) : key(key_), value(value_), quoted(true) {}
  Field(std::string_view key_, const char* value_) : key(key_), value(value_), quoted(true) {}
  Field(std::string_view key_, bool value_) : key(key_), value(value_ ? "true" : "false"), quoted(false) {}
  template <typename Number>
    requires std::is_arithmetic_v<Number>
  Field(std::string_view key_, Number number) : key(key_), value(fmt::format("{}", number)), quoted(false) {}
};
using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view event, Fields fields = {});

inline void debug(std::string_view event, Fields fields = {}) { write(Level::debug, event, fields); }
inline void info(std::string_view event, Fields fields = {}) { write(Level::info, event, fields); }
inline void warn(std::string_view event, Fields fields = {}) { write(Level::warn, event, fields); }
inline void error(std::string_view event, Fields fields = {}) { write(Level::error, event, fields); }

/// The line as it would be written, without time: for tests. Control characters are always escaped, so that what a
/// client sends can never forge a line.
std::string render(Format format, std::string_view event, Fields fields);

}  // namespace slipway::log
