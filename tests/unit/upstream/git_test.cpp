#include "upstream/git.hpp"

#include "base/wake.hpp"
#include "support/temp_directory.hpp"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace slipway::upstream {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class GitTest : public testing::Test {
protected:
  GitTest() {
    fs::create_directory(m_source);
    git({"init", "--quiet", "--initial-branch=main"});
    git({"config", "user.name", "n"});
    git({"config", "user.email", "e@example.org"});
  }

  std::string git(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"git", "-C", m_source.string()});
    auto said = run({.arguments = std::move(arguments), .environment = {}, .directory = {}});
    EXPECT_TRUE(said) << said.error().message;
    return said.value_or("");
  }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((m_source / path).parent_path());
    std::ofstream(m_source / path) << text;
  }
  std::string commit() {
    git({"add", "--all"});
    git({"commit", "--quiet", "--allow-empty", "--message", "m"});
    return git({"rev-parse", "HEAD"}).substr(0, 40);
  }
  GitClone clone() {
    return GitClone::open((m_directory.path() / "clone").string(), {m_source.string(), "main"}).value();
  }

  static std::vector<std::string> paths(const std::vector<GitFile>& files) {
    std::vector<std::string> out;
    for (const auto& file : files) out.push_back(file.path + (file.object.empty() ? "(" + file.what + ")" : ""));
    return out;
  }

  const test::TempDirectory m_directory;
  const fs::path m_source = m_directory.path() / "source";
};

TEST_F(GitTest, TellsWhatChanged) {
  write("packages/a/opam", "a1");
  write("packages/b/opam", "b1");
  write("other", "o");
  const auto first = commit();
  auto clone = this->clone();
  EXPECT_EQ(clone.remote_head().value(), first);
  EXPECT_EQ(clone.fetch().value(), first);
  ASSERT_TRUE(clone.keep(first));
  EXPECT_THAT(paths(clone.files(first, {"packages", "repo"}).value()),
              ElementsAre("packages/a/opam", "packages/b/opam"));

  write("packages/a/opam", "a2");
  fs::remove(m_source / "packages/b/opam");
  write("packages/c \n/opam", "");
  fs::create_symlink("/etc/passwd", m_source / "packages/d");
  write("other", "o2");
  const auto second = commit();
  commit();
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
  write("a", "1");
  const auto first = commit();
  write("a", "2");
  const auto second = commit();
  auto clone = this->clone();
  EXPECT_EQ(clone.fetch().value(), second);
  ASSERT_TRUE(clone.keep(second));
  git({"reset", "--quiet", "--hard", first});
  write("b", "3");
  const auto other = commit();
  EXPECT_EQ(clone.fetch().value(), other);
  EXPECT_THAT(paths(clone.changes(second, other, {}).value()), ElementsAre("a", "b"));
  EXPECT_GT(clone.time_of(other).value(), 1'700'000'000);
}

TEST_F(GitTest, GoesOnWhereItWas) {
  write("a", "1");
  const auto first = commit();
  {
    auto clone = this->clone();
    ASSERT_TRUE(clone.fetch());
  }
  EXPECT_TRUE(clone().has(first));
  EXPECT_FALSE(clone().has(std::string(40, '1')));
  EXPECT_FALSE(clone().has("--help"));
}

TEST_F(GitTest, SaysWhatIsNotThere) {
  commit();
  const auto open = [&](const std::string& url, const std::string& branch) {
    return GitClone::open((m_directory.path() / "clone").string(), {url, branch}).value();
  };
  EXPECT_EQ(open(m_source.string(), "none").remote_head().error().failure, Failure::not_found);
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
  auto clone = GitClone::open((m_directory.path() / "clone").string(), {m_source.string(), ""}, stop.fd()).value();
  stop.ring();
  EXPECT_EQ(clone.fetch().error().failure, Failure::unavailable);
}

}  // namespace
}  // namespace slipway::upstream
