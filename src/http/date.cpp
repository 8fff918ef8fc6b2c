#include "http/date.hpp"

#include <array>
#include <ctime>

namespace slipway::http {

static constexpr const char* form = "%a, %d %b %Y %H:%M:%S GMT";

std::string http_date(Timestamp at) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> out{};
  return {out.data(), std::strftime(out.data(), out.size(), form, &parts)};
}

std::optional<Timestamp> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const auto* end = ::strptime(copy.c_str(), form, &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return Timestamp(std::chrono::seconds(::timegm(&parts)));  // from_time_t() overflows in 2262
}

}  // namespace slipway::http
