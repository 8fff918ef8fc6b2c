#include "base/subprocess.hpp"

#include "base/wake.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace slipway {
namespace {

Command shell(const std::string& script) {
  return {.arguments = {"sh", "-c", script}, .environment = {}, .directory = {}};
}

TEST(Subprocess, AnswersWhatItIsTold) {
  auto process = Subprocess::start({.arguments = {"cat"}, .environment = {}, .directory = {}}).value();
  ASSERT_TRUE(process.write("one\ntwo\nrest"));
  EXPECT_EQ(process.read_line().value(), "one");
  EXPECT_EQ(process.read_exactly(2).value(), "tw");
  process.close_input();
  EXPECT_EQ(process.read_line().value(), "o");
  EXPECT_EQ(process.read_line().value(), "rest");
  EXPECT_EQ(process.read_line().value(), std::nullopt);
  EXPECT_TRUE(process.wait());
}

TEST(Subprocess, HasItsEnvironmentAndFolder) {
  auto command = shell("echo $MINE:$HOME:$(pwd)");
  command.environment = {"MINE=1", "HOME=2"};
  command.directory = "/usr";
  EXPECT_EQ(run(command).value(), "1:2:/usr\n");
}

TEST(Subprocess, TellsWhyItFailed) {
  EXPECT_EQ(run(shell("echo said; echo why >&2; echo more >&2; exit 3")).error().message,
            "sh ended with status 3: why more");
  EXPECT_EQ(run(shell("kill -9 $$")).error().message, "sh was killed by signal 9");
  EXPECT_EQ(run({.arguments = {"no-such-program"}, .environment = {}, .directory = {}}).error().failure,
            Failure::not_found);
  auto ended = Subprocess::start(shell("echo why >&2; exit 1")).value();
  EXPECT_FALSE(ended.write(std::string(1U << 20, 'x')));
}

TEST(Subprocess, KeepsToItsLimits) {
  EXPECT_EQ(run(shell("yes"), 1000).error().failure, Failure::too_large);
  auto endless = Subprocess::start(shell("yes | tr -d '\\n'")).value();
  EXPECT_EQ(endless.read_line(1000).error().failure, Failure::too_large);
  auto command = shell("sleep 100");
  command.patience = std::chrono::milliseconds(20);
  EXPECT_EQ(run(command).error().failure, Failure::unavailable);
  EXPECT_EQ(run(shell("head -c 1000000 /dev/zero"), 1U << 20).value().size(), 1'000'000U);
}

TEST(Subprocess, StopsWithWhatItStarted) {
  const Wake stop;
  auto command = shell("sleep 100 & wait");
  command.stop_fd = stop.fd();
  auto process = Subprocess::start(command).value();
  const std::jthread stopper([&] { stop.ring(); });
  EXPECT_EQ(process.read_line().error().message, "sh was stopped");
}

}  // namespace
}  // namespace slipway
