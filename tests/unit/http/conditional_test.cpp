#include "http/conditional.hpp"

#include "http/date.hpp"

#include <array>
#include <gtest/gtest.h>

namespace slipway::http {
namespace {

const Validators ours{"\"abc\"", parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")};
constexpr const char* our_date = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* later = "Sun, 06 Nov 1994 08:49:38 GMT";

Headers fields(std::initializer_list<std::pair<const char*, const char*>> list) {
  Headers out;
  for (const auto& [name, value] : list) out.add(name, value);
  return out;
}

TEST(Preconditions, AreAsTheStandardOrdersThem) {
  using enum Precondition;
  struct Case {
    std::initializer_list<std::pair<const char*, const char*>> headers;
    Precondition outcome;
  };
  for (const auto& [headers, outcome] : {
           Case{{}, proceed},
           {{{"If-None-Match", "\"abc\""}}, not_modified},
           {{{"If-None-Match", "W/\"abc\""}}, not_modified},
           {{{"If-None-Match", "*"}}, not_modified},
           {{{"If-None-Match", "\"x\", \"abc\""}}, not_modified},
           {{{"If-None-Match", "\"x,\\\"abc\\\"\""}}, proceed},
           {{{"If-None-Match", "\"x\""}, {"If-None-Match", "\"abc\""}}, not_modified},
           {{{"If-None-Match", "\"abcd\""}}, proceed},
           {{{"If-None-Match", "abc"}}, proceed},
           {{{"If-Modified-Since", our_date}}, not_modified},
           {{{"If-Modified-Since", later}}, proceed},
           {{{"If-Modified-Since", "yesterday"}}, proceed},
           {{{"If-None-Match", "\"x\""}, {"If-Modified-Since", our_date}}, proceed},
           {{{"If-Match", "\"abc\""}}, proceed},
           {{{"If-Match", "*"}}, proceed},
           {{{"If-Match", "W/\"abc\""}}, failed},
           {{{"If-Match", "\"x\""}}, failed},
           {{{"If-Match", "\"x\""}, {"If-None-Match", "\"abc\""}}, failed},
           {{{"If-Match", "\"abc\""}, {"If-None-Match", "\"abc\""}}, not_modified},
       }) {
    std::string shown;
    for (const auto& [name, value] : headers) shown.append(name).append(": ").append(value).append("; ");
    EXPECT_EQ(check_preconditions(fields(headers), ours), outcome) << shown;
  }
}

TEST(Preconditions, OfADateDoNotHoldWithoutOne) {
  EXPECT_EQ(check_preconditions(fields({{"If-Modified-Since", our_date}}), {"\"abc\"", std::nullopt}),
            Precondition::proceed);
}

TEST(Range, AppliesToTheRepresentationThatItIsAbout) {
  const auto applied = [](std::initializer_list<std::pair<const char*, const char*>> list) {
    const auto headers = fields(list);
    return std::string(applicable_range(headers, ours));
  };
  constexpr const char* part = "bytes=0-1";
  EXPECT_EQ(applied({{"Range", part}}), part);
  EXPECT_EQ(applied({{"Range", part}, {"If-Range", "\"abc\""}}), part);
  EXPECT_EQ(applied({{"Range", part}, {"If-Range", our_date}}), part);
  EXPECT_EQ(applied({{"Range", part}, {"If-Range", "W/\"abc\""}}), "");
  EXPECT_EQ(applied({{"Range", part}, {"If-Range", "\"x\""}}), "");
  EXPECT_EQ(applied({{"Range", part}, {"If-Range", later}}), "");
  EXPECT_EQ(applied({}), "");
}

/// The coding chosen of br, zstd and gzip, or "".
std::string chosen(std::string_view accept) {
  constexpr std::array<std::string_view, 3> offered = {"br", "zstd", "gzip"};
  const auto choice = choose_coding(accept, offered);
  return choice ? std::string(offered[*choice]) : "";
}

TEST(Coding, IsWhatTheClientTakesBest) {
  for (const auto& [accept, coding] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", ""},
           {"gzip", "gzip"},
           {"GZIP", "gzip"},
           {"x-gzip", "gzip"},
           {"gzip, deflate, br, zstd", "br"},
           {"gzip, zstd", "zstd"},
           {"gzip;q=1.0, br;q=0.5", "gzip"},
           {"gzip;q=0.5, br;q=0.5", "br"},
           {"br;q=0.001, gzip; q=0.002", "gzip"},
           {"br;q=0", ""},
           {"br;q=0, *", "zstd"},
           {"*", "br"},
           {"*;q=0", ""},
           {"identity", ""},
           {"gzip;q=0.5, identity;q=0.9", ""},
           {"gzip, identity;q=0", "gzip"},
           {"deflate", ""},
           {"gzip;q=nonsense", "gzip"},
           {",,gzip,,", "gzip"},
           {"brotli", ""},
       })
    EXPECT_EQ(chosen(accept), coding) << accept;
}

}  // namespace
}  // namespace slipway::http
