#include "upstream/git.hpp"

#include "base/wake.hpp"
#include "support/git_repository.hpp"

#include <gmock/gmock.h>

namespace slipway::upstream {
namespace {

using testing::ElementsAre;

class GitTest : public testing::Test {
protected:
  GitClone clone() {
    return GitClone::open((m_directory.path() / "clone").string(), {m_source.path(), "main"}).value();
  }

  static std::vector<std::string> paths(const std::vector<GitFile>& files) {
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
  auto blobs = clone.blobs().value();
  EXPECT_EQ(blobs.read(changes[0].object, 10).value(), "a2");
  EXPECT_EQ(blobs.read(changes[0].object, 1).error().failure, Failure::too_large);
  EXPECT_EQ(blobs.read(changes[2].object, 10).value(), "");
  EXPECT_FALSE(blobs.read(std::string(40, '0'), 10));
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
