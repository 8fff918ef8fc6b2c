#include "base/fd.hpp"

#include "../../support/temp_directory.hpp"

#include <array>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace slipway {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(Fd, ClosesWhatItOwns) {
  const test::TempDirectory directory;
  int number = -1;
  {
    const auto fd = open_file(directory / "x", O_CREAT | O_RDWR);
    ASSERT_TRUE(fd);
    number = fd->get();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, MovesItsDescriptor) {
  const test::TempDirectory directory;
  Fd first = *open_file(directory / "x", O_CREAT | O_RDWR);
  const int number = first.get();
  Fd second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that it is empty is the promise
  EXPECT_EQ(second.get(), number);
  Fd third = *open_file(directory / "y", O_CREAT | O_RDWR);
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_EQ(third.get(), number);
  EXPECT_FALSE(is_open(replaced));
}

TEST(Fd, ReleasedDescriptorsStayOpen) {
  const test::TempDirectory directory;
  Fd fd = *open_file(directory / "x", O_CREAT | O_RDWR);
  const Fd kept(fd.release());
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(kept.get()));
}

TEST(OpenFile, NamesThePathAndTheReason) {
  const test::TempDirectory directory;
  const auto fd = open_file(directory / "absent", O_RDONLY);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().failure, Failure::not_found);
  EXPECT_NE(fd.error().message.find((directory / "absent").string()), std::string::npos);
}

TEST(OpenFile, DoesNotLeakIntoChildren) {
  const test::TempDirectory directory;
  const auto fd = open_file(directory / "x", O_CREAT | O_RDWR);
  ASSERT_TRUE(fd);
  EXPECT_TRUE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC);
}

TEST(WriteAll, WritesAtAnOffset) {
  const test::TempDirectory directory;
  const auto path = directory.write("x", "0123456789");
  const auto fd = open_file(path, O_RDWR);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(write_all(fd->get(), as_bytes("ab"), 4));
  EXPECT_EQ(read_file(path, 100), "0123ab6789");
}

TEST(WriteAll, TellsWhyItCannot) {
  const test::TempDirectory directory;
  const auto fd = open_file(directory.write("x", ""), O_RDONLY);
  ASSERT_TRUE(fd);
  const auto written = write_all(fd->get(), as_bytes("x"), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::io);
}

TEST(WriteAll, TellsThatTheDiskIsFull) {
  const auto full = open_file("/dev/full", O_WRONLY);
  ASSERT_TRUE(full) << "every Linux has /dev/full";
  const auto written = write_all(full->get(), as_bytes("x"), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::no_space);
}

TEST(ReadSome, GivesFewerBytesOnlyAtTheEnd) {
  const test::TempDirectory directory;
  const auto fd = open_file(directory.write("x", "hello"), O_RDONLY);
  ASSERT_TRUE(fd);
  std::array<std::byte, 4> buffer;
  EXPECT_EQ(read_some(fd->get(), buffer, 0), 4U);
  EXPECT_EQ(as_text(buffer), "hell");
  EXPECT_EQ(read_some(fd->get(), buffer, 3), 2U);
  EXPECT_EQ(read_some(fd->get(), buffer, 5), 0U);
  EXPECT_EQ(read_some(fd->get(), buffer, 1'000'000), 0U);
}

TEST(ReadFile, ReadsFilesOfEverySizeAroundItsBuffer) {
  const test::TempDirectory directory;
  for (const std::size_t size : {0U, 1U, 16383U, 16384U, 16385U, 40000U}) {
    const std::string content(size, 'x');
    EXPECT_EQ(read_file(directory.write("x", content), 1U << 20), content) << size;
  }
}

TEST(ReadFile, RefusesOneByteTooMany) {
  const test::TempDirectory directory;
  const auto path = directory.write("x", std::string(101, 'x'));
  EXPECT_TRUE(read_file(path, 101));
  const auto refused = read_file(path, 100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::too_large);
  EXPECT_NE(refused.error().message.find(path.string()), std::string::npos);
}

TEST(WriteFileAtomically, ReplacesTheWholeContentAndLeavesNothingBeside) {
  const test::TempDirectory directory;
  const auto path = directory / "settings";
  ASSERT_TRUE(write_file_atomically(path, std::string(10'000, 'x')));
  ASSERT_TRUE(write_file_atomically(path, "short", 0600));
  EXPECT_EQ(read_file(path, 100), "short");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(WriteFileAtomically, LeavesTheOldContentWhereItFails) {
  const test::TempDirectory directory;
  const auto path = directory.write("settings", "old");
  std::filesystem::create_directory(directory / "settings.new");  // where the new content would be written aside
  EXPECT_FALSE(write_file_atomically(path, "new"));
  EXPECT_EQ(read_file(path, 100), "old");
}

TEST(WriteFileAtomically, FailsWhereThereIsNoDirectory) {
  const test::TempDirectory directory;
  const auto written = write_file_atomically(directory / "absent" / "settings", "new");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::not_found);
}

TEST(SyncDirectory, WorksOnDirectoriesOnly) {
  const test::TempDirectory directory;
  EXPECT_TRUE(sync_directory(directory.path()));
  EXPECT_FALSE(sync_directory(directory.write("x", "")));
}

}  // namespace
}  // namespace slipway
