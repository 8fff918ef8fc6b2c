#include "opam/delta.hpp"

#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace slipway::opam {
namespace {

TEST(StructuredFields, AreReadStrictly) {
  EXPECT_EQ(parse_available_dictionary(":LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:"), digest_of(as_bytes("x")));
  for (const auto* bad :
       {"", ":", "::", "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=", ":LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE:",
        ":LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSI==:", ":LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaS!E=:"})
    EXPECT_FALSE(parse_available_dictionary(bad)) << bad;
  EXPECT_EQ(parse_structured_string("\"a\\\"b\\\\\""), "a\"b\\");
  EXPECT_EQ(parse_structured_string("\"\""), "");
  for (const auto* bad : {"", "\"", "a", "\"a", "a\"", "\"a\"b\"", "\"\\\"", "\"\n\"", "\"\xc3\xa4\""})
    EXPECT_FALSE(parse_structured_string(bad)) << bad;
}

TEST(Delta, IsRefusedOfWhatIsNoFileForIt) {
  const test::TempDirectory directory;
  const auto slice = [&](std::uint64_t size) {
    auto file = open_file(directory.path(), O_RDWR | O_TMPFILE, 0600).value();
    EXPECT_TRUE(truncate_file(file.get(), size));
    return FileSlice{std::make_shared<const Fd>(std::move(file)), {0, size}};
  };
  const auto digest = digest_of(as_bytes(""));
  EXPECT_EQ(make_delta(slice(0), digest, slice(1)).error().failure, Failure::too_large);
  EXPECT_EQ(make_delta(slice(1), digest, slice(200U << 20)).error().failure, Failure::too_large);
  const auto made = make_delta(slice(1U << 20), digest, slice(2U << 20));
  ASSERT_TRUE(made);
  EXPECT_LT(made->size(), 200U);
  EXPECT_EQ(made->substr(8, 32), as_text(digest.value()));
}

}  // namespace
}  // namespace slipway::opam
