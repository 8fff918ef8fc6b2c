#include "http/date.hpp"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

TEST(HttpDate, IsWrittenAndReadAsTheStandardHasIt) {
  const Timestamp at(std::chrono::seconds(784111777));
  EXPECT_EQ(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(at + std::chrono::milliseconds(999)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), at);
}

TEST(HttpDate, OfAnotherFormIsNone) {
  for (const auto* text : {"", "now", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT+1", "784111777"})
    EXPECT_FALSE(parse_http_date(text)) << text;
}

}  // namespace
}  // namespace slipway::http
