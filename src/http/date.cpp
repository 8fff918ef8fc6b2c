#include "http/date.hpp"

#include <array>
#include <ctime>
#include <fmt/compile.h>

namespace slipway::http {

static constexpr const char* form = "%a, %d %b %Y %H:%M:%S GMT";

std::string http_date(Timestamp at) {
  static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(seconds - day);
  // strftime() takes five times as long, and every answer of a file has one.
  return fmt::format(FMT_COMPILE("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT"),
                     days[std::chrono::weekday(day).c_encoding()], unsigned{date.day()},
                     months[unsigned{date.month()} - 1], int{date.year()}, time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

std::optional<Timestamp> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const auto* end = ::strptime(copy.c_str(), form, &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return Timestamp(std::chrono::seconds(::timegm(&parts)));  // from_time_t() overflows in 2262
}

}  // namespace slipway::http
