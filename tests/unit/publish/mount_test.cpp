#include "publish/mount.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::publish {
namespace {

std::string parsed(std::string_view text) {
  const auto mount = parse_mount(text);
  if (!mount) return "refused";
  return fmt::format("{}|{}|{}|{}|{}", mount->host, mount->path, mount->repository, mount->channel, mount->listing);
}

TEST(Mount, IsWrittenAsAnAddressAndAName) {
  EXPECT_EQ(parsed("/ docs"), "|/|docs|live|false");
  EXPECT_EQ(parsed("/1.2.2/ opam/legacy@stable"), "|/1.2.2|opam/legacy|stable|false");
  EXPECT_EQ(parsed("Docs.Example.org/ docs listing"), "docs.example.org|/|docs|live|true");
  EXPECT_EQ(parsed("/v2x docs"), "|/v2x|docs|live|false");
}

TEST(Mount, IsRefusedWhereItCouldNotBeServed) {
  for (const auto* text : {"", "docs", "/docs", "docs docs", "/a//b docs", "/a?b docs", "/v2 docs", "/v2/x docs",
                           "host/api docs", "/ Docs", "/ docs@", "/ docs@.x", "/ docs list", "/ docs listing more",
                           "a:80/ docs", "/a%20b docs", "/@x docs"})
    EXPECT_EQ(parsed(text), "refused") << text;
  EXPECT_THAT(parse_mount("/metrics docs").error().message, testing::HasSubstr("/metrics is the server's own"));
}

}  // namespace
}  // namespace slipway::publish
