#include "opam/repository_state.hpp"

#include <gtest/gtest.h>

namespace slipway::opam {
namespace {

using namespace std::chrono_literals;

constexpr Timestamp noon{std::chrono::days(20'000)};

Look published(const std::string& commit, std::vector<Finding> findings = {}, std::vector<std::string> looked_at = {}) {
  return {.head = commit,
          .report = SyncReport{.commit = commit,
                               .snapshot = digest_of(as_bytes(commit)),
                               .moved = true,
                               .looked_at = std::move(looked_at),
                               .findings = std::move(findings)},
          .problem = {}};
}

TEST(RepositoryState, IsBehindSinceItSawAnotherCommit) {
  RepositoryState state;
  EXPECT_TRUE(state.take(published("a"), noon));
  EXPECT_EQ(state.behind(noon + 1h), 0s);
  EXPECT_FALSE(state.take({.head = "a", .problem = {}}, noon + 1min));
  EXPECT_EQ(state.looked_at, noon + 1min);
  EXPECT_TRUE(state.take({.head = "b", .problem = "broken"}, noon + 2min));
  EXPECT_FALSE(state.take({.head = "b", .problem = "broken"}, noon + 3min));
  EXPECT_EQ(state.behind(noon + 5min), 3min);
  EXPECT_EQ(state.problem_since, noon + 2min);
  EXPECT_TRUE(state.take({.head = "b", .is_withdrawn = true, .problem = {}}, noon + 6min));
  EXPECT_EQ(state.behind(noon + 7min), 0s);
  EXPECT_TRUE(state.take(published("b"), noon + 8min));
  EXPECT_EQ(state.published_at, noon + 8min);
  EXPECT_TRUE(state.take({.head = {}, .problem = "git does not answer"}, noon + 9min));
  EXPECT_EQ(state.head, "b");
}

TEST(RepositoryState, KeepsFindingsUntilTheirFilesAreLookedAt) {
  RepositoryState state;
  state.take(published("a", {{"x", "bad"}, {"y", "bad"}}, {"x", "y"}), noon);
  state.take(published("b", {}, {"y"}), noon);
  EXPECT_EQ(state.findings, (std::map<std::string, std::string>{{"x", "bad"}}));
}

TEST(RepositoryState, IsReadAsItWasWritten) {
  RepositoryState state;
  state.take(published("a", {{"x", "b\xff"}}, {"x"}), noon);
  state.sources = {
      .wanted = 3,
      .missing = 2,
      .failing = {{.source = {.urls = {"https://h/a"}, .checksums = {*Checksum::parse("md5=" + std::string(32, 'a'))}},
                   .failures = 4,
                   .problem = "404",
                   .next_in = 5s}}};
  const auto again = RepositoryState::parse(state.text());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->text(), state.text());
  EXPECT_EQ(again->sources.failing[0].key(), state.sources.failing[0].key());
  EXPECT_EQ(again->sources.failing[0].next_in, 5s);
  EXPECT_EQ(again->published_at, noon);
  for (const auto* text : {"", "[]", "{", "1"}) EXPECT_FALSE(RepositoryState::parse(text)) << text;
  EXPECT_TRUE(RepositoryState::parse(R"({"failing": [1, {"urls": 1}], "findings": {"x": 1}, "wanted": "x"})"));
}

}  // namespace
}  // namespace slipway::opam
