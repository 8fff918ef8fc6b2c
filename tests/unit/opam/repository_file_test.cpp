#include "opam/repository_file.hpp"

#include <gtest/gtest.h>

namespace slipway::opam {
namespace {

std::string made(std::string_view text) {
  const auto out = published_repository_file(text, "c0");
  return out ? *out : out.error().message;
}

TEST(OpamRepositoryFile, KeepsWhatItHas) {
  const std::string text = "opam-version: \"2.0\"\nannounce: [\n\"\"\"\nupdate!\n\"\"\" {opam-version < \"2.1\"} ]";
  EXPECT_EQ(made(text), text + "\narchive-mirrors: \"cache\"\nstamp: \"c0\"\n");
  EXPECT_EQ(made(""), "archive-mirrors: \"cache\"\nstamp: \"c0\"\n");
}

TEST(OpamRepositoryFile, ReplacesWhatIsItsOwn) {
  EXPECT_EQ(made("stamp: \"old\"\nannounce: [\"a\\nb\" {x}]\narchive-mirrors: \"https://m/cache\""),
            "announce: [\"a\\nb\" {x}]\narchive-mirrors: [\"cache\" \"https://m/cache\"]\nstamp: \"c0\"\n");
  EXPECT_EQ(made("archive-mirrors: [\"x\" \"cache\"]"), "archive-mirrors: [\"cache\" \"x\"]\nstamp: \"c0\"\n");
  const auto again = made("browse: \"b\"");
  EXPECT_EQ(made(again), "browse: \"b\"\narchive-mirrors: [\"cache\"]\nstamp: \"c0\"\n");
}

TEST(OpamRepositoryFile, IsRefusedWhereItCannotBeRead) {
  EXPECT_EQ(made("browse: ["), "repo:1:10: the end where a value should be");
}

}  // namespace
}  // namespace slipway::opam
