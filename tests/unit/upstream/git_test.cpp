#include "upstream/git.hpp"

#include "base/wake.hpp"
#include "support/git_repository.hpp"
#include "upstream/git_history.hpp"

#include <gmock/gmock.h>

namespace slipway::upstream {
namespace {

using testing::ElementsAre;

class GitTest : public testing::Test {
protected:
  GitClone clone() {
    return GitClone::open((m_directory.path() / "clone").string(), {m_source.path(), "main"}).value();
  }

  template <typename File>
  static std::vector<std::string> paths(const std::vector<File>& files) {
    std::vector<std::string> out;
    for (const auto& file : files) out.push_back(file.path + (file.object.empty() ? "(" + file.what + ")" : ""));
    return out;
  }

  const test::TempDirectory m_directory;
  const test::GitRepository m_source;
};

TEST_F(GitTest, TellsWhatChanged) {
  m_source.write("packages/a/opam", "a1");
  m_source.write("packages/b/opam", "b1");
  m_source.write("other", "o");
  const auto first = m_source.commit();
  auto clone = this->clone();
  EXPECT_EQ(clone.remote_head().value(), first);
  EXPECT_EQ(clone.fetch().value(), first);
  ASSERT_TRUE(clone.keep(first));
  EXPECT_THAT(paths(clone.files(first, {"packages", "repo"}).value()),
              ElementsAre("packages/a/opam", "packages/b/opam"));

  m_source.write("packages/a/opam", "a2");
  m_source.remove("packages/b/opam");
  m_source.write("packages/c \n/opam", "");
  m_source.link("/etc/passwd", "packages/d");
  m_source.write("other", "o2");
  const auto second = m_source.commit();
  m_source.commit();
  EXPECT_FALSE(clone.has(second));
  const auto third = clone.fetch().value();
  EXPECT_TRUE(clone.has(first));
  const auto changes = clone.changes(first, third, {"packages"}).value();
  EXPECT_THAT(paths(changes),
              ElementsAre("packages/a/opam", "packages/b/opam()", "packages/c \n/opam", "packages/d(a symbolic link)"));
  EXPECT_FALSE(changes[0].is_new);
  EXPECT_TRUE(changes[2].is_new);
  auto blobs = clone.blobs().value();
  EXPECT_EQ(blobs.read(changes[0].object, 10).value(), "a2");
  EXPECT_EQ(blobs.read(changes[0].object, 1).error().failure, Failure::too_large);
  EXPECT_EQ(blobs.read(changes[2].object, 10).value(), "");
  EXPECT_FALSE(blobs.read(std::string(40, '0'), 10));
}

TEST_F(GitTest, KnowsWhenFilesCame) {
  const auto commit_at = [&](const std::string& seconds) {
    ::setenv("GIT_COMMITTER_DATE", (seconds + " +0000").c_str(), 1);
    auto out = m_source.commit();
    ::unsetenv("GIT_COMMITTER_DATE");
    return out;
  };
  m_source.write("packages/a", "1");
  m_source.write("other", "1");
  const auto first = commit_at("1000000000");
  m_source.write("packages/a", "2");
  m_source.write("packages/b", "the same");
  const auto second = commit_at("1000000010");
  m_source.remove("packages/a");
  m_source.write("packages/c", "the same");
  const auto third = commit_at("1000000020");
  m_source.write("packages/a", "2");
  commit_at("1000000030");

  GitHistory history((m_directory.path() / "history").string(), {m_source.path(), "main"});
  EXPECT_TRUE(history.fetch());
  const auto added = [&](const std::string& since) {
    std::vector<std::string> out;
    EXPECT_TRUE(history.for_each_added(since, "packages", [&](std::string_view path, std::int64_t seconds) {
      out.push_back(std::string(path) + " " + std::to_string(seconds - 1'000'000'000));
    }));
    return out;
  };
  EXPECT_THAT(added(""), ElementsAre("packages/a 30", "packages/c 20", "packages/b 10", "packages/a 0"));
  EXPECT_THAT(added(second), ElementsAre("packages/a 30", "packages/c 20"));
  EXPECT_EQ(added(std::string(40, '0')).size(), 4U);
  m_source.git({"reset", "--quiet", "--hard", first});
  EXPECT_EQ(history.fetch().value(), first);
  EXPECT_THAT(added(third), ElementsAre("packages/a 0"));
}

TEST_F(GitTest, FollowsABranchThatWasRewound) {
  m_source.write("a", "1");
  const auto first = m_source.commit();
  m_source.write("a", "2");
  const auto second = m_source.commit();
  auto clone = this->clone();
  EXPECT_EQ(clone.fetch().value(), second);
  ASSERT_TRUE(clone.keep(second));
  m_source.git({"reset", "--quiet", "--hard", first});
  m_source.write("b", "3");
  const auto other = m_source.commit();
  EXPECT_EQ(clone.fetch().value(), other);
  EXPECT_THAT(paths(clone.changes(second, other, {}).value()), ElementsAre("a", "b"));
  EXPECT_GT(clone.time_of(other).value(), 1'700'000'000);
}

TEST_F(GitTest, GoesOnWhereItWas) {
  m_source.write("a", "1");
  const auto first = m_source.commit();
  {
    auto clone = this->clone();
    ASSERT_TRUE(clone.fetch());
  }
  EXPECT_TRUE(clone().has(first));
  EXPECT_FALSE(clone().has(std::string(40, '1')));
  EXPECT_FALSE(clone().has("--help"));
}

TEST_F(GitTest, SaysWhatIsNotThere) {
  m_source.commit();
  const auto open = [&](const std::string& url, const std::string& branch) {
    return GitClone::open((m_directory.path() / "clone").string(), {url, branch}).value();
  };
  EXPECT_EQ(open(m_source.path(), "none").remote_head().error().failure, Failure::not_found);
  const auto gone = open("/nowhere/at/all", "").fetch();
  EXPECT_NE(gone.error().message.find("/nowhere/at/all"), std::string::npos) << gone.error().message;
  for (const auto* bad : {"", "--upload-pack=x", "ext::sh -c x", "ftp://h/x", "fd::3"})
    EXPECT_EQ(check_git_source({bad, ""}).error().failure, Failure::invalid) << bad;
  for (const auto* good : {"https://h/x.git", "/a/b", "a/b", "git@host:x/y", "file:///a", "ssh://h:22/x"})
    EXPECT_TRUE(check_git_source({good, "a/b"})) << good;
  EXPECT_FALSE(check_git_source({"/a", "a..b"}));
  EXPECT_FALSE(check_git_source({"/a", "-x"}));
}

TEST_F(GitTest, StopsWhenItIsTold) {
  const Wake stop;
  auto clone = GitClone::open((m_directory.path() / "clone").string(), {m_source.path(), ""}, stop.fd()).value();
  stop.ring();
  EXPECT_EQ(clone.fetch().error().failure, Failure::unavailable);
}

}  // namespace
}  // namespace slipway::upstream
