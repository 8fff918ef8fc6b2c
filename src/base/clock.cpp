#include "base/clock.hpp"

#include <charconv>
#include <ctime>
#include <fmt/format.h>

namespace slipway {

std::string rfc3339(Timestamp at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  const std::time_t time = std::chrono::system_clock::to_time_t(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, (at - seconds).count());
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  constexpr std::size_t seconds_size = 19;
  const std::string seconds(text.substr(0, seconds_size));
  std::tm parts{};
  const auto* end = ::strptime(seconds.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (seconds.size() < seconds_size || !end || *end != '\0') return std::nullopt;
  const auto at = std::chrono::system_clock::from_time_t(::timegm(&parts));
  auto rest = text.substr(seconds_size);
  std::int64_t micros = 0;
  if (rest.starts_with('.')) {
    constexpr std::size_t digits = 6;
    const auto fraction = rest.substr(1, digits);
    const auto read = std::from_chars(fraction.data(), fraction.data() + fraction.size(), micros);
    if (fraction.size() != digits || micros < 0 || read.ptr != fraction.data() + digits) return std::nullopt;
    rest.remove_prefix(1 + digits);
  }
  if (rest != "Z") return std::nullopt;
  return std::chrono::time_point_cast<std::chrono::microseconds>(at) + std::chrono::microseconds(micros);
}

Timestamp SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace slipway
