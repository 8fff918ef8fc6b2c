#include "cli/parse.hpp"

#include "admin/operations.hpp"
#include "cli/commands.hpp"
#include "cli/completion.hpp"
#include "cli/data_directory.hpp"
#include "support/temp_directory.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <unistd.h>

namespace slipway::cli {
namespace {

/// What a command printed, and its exit code.
struct Ran {
  int code;
  std::string out;
  std::string err;
  bool said(std::string_view text) const { return err.find(text) != err.npos; }
  bool printed(std::string_view text) const { return out.find(text) != out.npos; }
};

Ran slipway(std::vector<std::string> words) {
  words.insert(words.begin(), "slipway");
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run(static_cast<int>(arguments.size()), arguments.data());
  auto out = testing::internal::GetCapturedStdout();
  return {code, std::move(out), testing::internal::GetCapturedStderr()};
}

class CommandLineTest : public testing::Test {
protected:
  CommandLineTest() {
    for (const auto* variable : {"SLIPWAY_CONFIG", "SLIPWAY_SERVER", "SLIPWAY_TOKEN"}) ::unsetenv(variable);
  }

  /// A data directory that `slipway init` made.
  std::string initialised() {
    EXPECT_EQ(slipway({"init", "--data", m_data}).code, exit_done);
    return m_data;
  }

  test::TempDirectory m_directory;
  const std::string m_data = m_directory / "data";
};

TEST_F(CommandLineTest, ExplainsItself) {
  const auto help = slipway({"--help"});
  EXPECT_EQ(help.code, exit_done);
  for (const auto* command : {"init", "serve", "config", "repo", "tag", "manifest", "doctor", "server", "completion"})
    EXPECT_TRUE(help.printed(command)) << command;
  EXPECT_EQ(slipway({"serve", "--help"}).code, exit_done);
  EXPECT_EQ(slipway({"--help-all"}).code, exit_done);
}

TEST_F(CommandLineTest, TellsItsVersion) {
  EXPECT_TRUE(slipway({"version"}).printed("slipway "));
  EXPECT_TRUE(parse_json(slipway({"version", "--json"}).out)->contains("version"));
}

TEST_F(CommandLineTest, SaysWhatWasMeant) {
  for (const auto& [words, guess] :
       std::initializer_list<std::pair<std::vector<std::string>, const char*>>{{{"serv"}, "serve"},
                                                                               {{"serve", "--lisen", "x"}, "--listen"},
                                                                               {{"repo", "lst"}, "ls"},
                                                                               {{"confg", "check"}, "config"}}) {
    const auto ran = slipway(words);
    EXPECT_EQ(ran.code, exit_usage) << words.front();
    EXPECT_TRUE(ran.said(std::string("did you mean '") + guess + "'?")) << ran.err;
  }
}

TEST_F(CommandLineTest, PointsToHelpWhereNothingIsNear) {
  for (const auto& words : std::initializer_list<std::vector<std::string>>{
           {}, {"repo"}, {"repo", "show"}, {"xyzzy"}, {"completion", "tcsh"}}) {
    const auto ran = slipway(words);
    EXPECT_EQ(ran.code, exit_usage);
    EXPECT_TRUE(ran.said("--help")) << ran.err;
  }
}

TEST_F(CommandLineTest, ChecksAConfiguration) {
  const auto good = m_directory.write("good.toml", "[server]\nworkers = 3\n");
  EXPECT_EQ(slipway({"config", "check", "--config", good}).code, exit_done);
  const auto bad = m_directory.write("bad.toml", "[server]\nworker = 3\n");
  const auto ran = slipway({"config", "check", "--config", bad});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_TRUE(ran.said(bad.string() + ":2: unknown key 'server.worker'; did you mean 'server.workers'?")) << ran.err;
  EXPECT_EQ(slipway({"config", "check", "--config", m_directory / "absent"}).code, exit_failed);
}

TEST_F(CommandLineTest, ShowsAConfiguration) {
  const auto file = m_directory.write("s.toml", "server.workers = 3\n");
  EXPECT_TRUE(slipway({"config", "show", "--config", file}).printed("server.workers = 3\n"));
  const auto shown = parse_json(slipway({"config", "show", "--config", file, "--json"}).out);
  ASSERT_TRUE(shown);
  for (const auto& key : *shown)
    EXPECT_EQ(key["origin"] == file.string() + ":1", key["key"] == "server.workers") << key;
}

TEST_F(CommandLineTest, InitShowsTheTokenOnce) {
  const auto first = slipway({"init", "--data", m_data, "--json"});
  ASSERT_EQ(first.code, exit_done);
  EXPECT_EQ(string_at(*parse_json(first.out), "admin_token").size(), 64U);
  const auto second = slipway({"init", "--data", m_data});
  EXPECT_EQ(second.code, exit_failed);
  EXPECT_TRUE(second.said("initialised already"));
}

TEST_F(CommandLineTest, RunsOperationsOnAStoppedDirectory) {
  const auto data = initialised();
  EXPECT_EQ(slipway({"repo", "ls", "--data", data}).code, exit_done);
  EXPECT_TRUE(parse_json(slipway({"server", "status", "--data", data, "--json"}).out)->contains("version"));
  EXPECT_TRUE(slipway({"doctor", "--deep", "--data", data}).printed("round trip"));
  const auto missing = slipway({"repo", "show", "absent", "--data", data});
  EXPECT_EQ(missing.code, exit_failed);
  EXPECT_TRUE(missing.said("absent"));
}

TEST_F(CommandLineTest, RefusesADirectoryThatIsNone) {
  const auto ran = slipway({"repo", "ls", "--data", m_directory / "absent"});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_TRUE(ran.said("slipway init"));
  EXPECT_FALSE(std::filesystem::exists(m_directory / "absent"));
}

TEST_F(CommandLineTest, WantsOneTargetOnly) {
  EXPECT_EQ(slipway({"repo", "ls", "--data", "x", "--server", "http://127.0.0.1:1"}).code, exit_usage);
}

TEST_F(CommandLineTest, NamesTheServerThatDoesNotAnswer) {
  const auto ran = slipway({"repo", "ls", "--server", "http://127.0.0.1:1"});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_TRUE(ran.said("http://127.0.0.1:1"));
}

TEST_F(CommandLineTest, CompletesEveryCommandInEveryShell) {
  for (const auto* shell : {"bash", "zsh", "fish"}) {
    const auto script = slipway({"completion", shell});
    EXPECT_EQ(script.code, exit_done);
    for (const auto* word : {"init", "serve", "config", "check", "show", "completion", "version", "--listen", "--data"})
      EXPECT_TRUE(script.printed(word)) << shell << " " << word;
    for (const auto& operation : admin::operations()) {
      const auto name = std::string(operation.name);
      const auto slash = name.find('/');
      EXPECT_TRUE(script.printed(name.substr(0, slash))) << shell << " " << name;
      EXPECT_TRUE(slash == name.npos || script.printed(name.substr(slash + 1))) << shell << " " << name;
    }
  }
}

TEST_F(CommandLineTest, CompletesWhatBashAsks) {
  const auto script = m_directory.write("completion", slipway({"completion", "bash"}).out);
  const auto completed = [&](const std::string& words, int at) {
    const auto answer = m_directory / "answer";
    const auto command = "bash -c 'source " + script.string() + "; COMP_WORDS=(" + words +
                         "); COMP_CWORD=" + std::to_string(at) + "; _slipway; echo \"${COMPREPLY[*]}\"' > " +
                         answer.string();
    EXPECT_EQ(std::system(command.c_str()), 0);
    return read_file(answer, 65536).value();
  };
  EXPECT_EQ(completed("slipway repo l", 2), "ls\n");
  EXPECT_EQ(completed("slipway ser", 1), "serve server\n");
  EXPECT_EQ(completed("slipway serve --lis", 2), "--listen\n");
}

TEST(CompletionScript, KnowsThreeShells) { EXPECT_EQ(completion_script("tcsh", {}), ""); }

TEST(DataDirectory, IsUsedByOneProcessAtATime) {
  const test::TempDirectory directory;
  const SystemClock clock;
  const auto first = DataDirectory::open({.data = directory / "data"}, clock, true);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = DataDirectory::open({.data = directory / "data"}, clock, true);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().failure, Failure::busy);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
}

TEST(DataDirectory, AnnouncesAndForgetsItsServer) {
  const test::TempDirectory directory;
  const SystemClock clock;
  {
    const auto data = DataDirectory::open({.data = directory / "data"}, clock, true);
    ASSERT_TRUE((*data)->announce({"http://127.0.0.1:5000"}));
    EXPECT_NE(read_file(directory / "data" / "server.json", 1000)->find("http://127.0.0.1:5000"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(directory / "data" / "server.json"));
}

TEST(DataDirectory, RefusesAStoreOfAnotherCatalog) {
  const test::TempDirectory directory;
  const SystemClock clock;
  for (const auto* name : {"one", "two"}) ASSERT_TRUE(DataDirectory::open({.data = directory / name}, clock, true));
  std::filesystem::remove_all(directory / "one" / "store");
  std::filesystem::rename(directory / "two" / "store", directory / "one" / "store");
  const auto mixed = DataDirectory::open({.data = directory / "one"}, clock, true);
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().failure, Failure::conflict);
}

}  // namespace
}  // namespace slipway::cli
