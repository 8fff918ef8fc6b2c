#include "blob/open_files.hpp"

#include "support/temp_directory.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <thread>

namespace slipway::blob {
namespace {

namespace fs = std::filesystem;

class OpenFilesTest : public testing::Test {
protected:
  Result<OpenFile> open(std::uint64_t number) {
    return m_files.open(number, [&] { return m_directory / std::to_string(number); });
  }

  test::TempDirectory m_directory;
  OpenFiles m_files;
};

TEST_F(OpenFilesTest, AreOpenedOnceASecond) {
  m_directory.write("1", "12345");
  const auto first = open(1);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size, 5U);
  EXPECT_EQ(open(1)->file, first->file);
  fs::remove(m_directory / "1");
  EXPECT_TRUE(open(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  ASSERT_FALSE(open(1));
  EXPECT_EQ(open(1).error().failure, Failure::not_found);
}

TEST_F(OpenFilesTest, AreForgottenWhenRemoved) {
  m_directory.write("1", "12345");
  std::weak_ptr<const Fd> file = open(1)->file;
  EXPECT_FALSE(file.expired());
  m_files.forget(1);
  EXPECT_TRUE(file.expired());  // and take no room any more
}

TEST_F(OpenFilesTest, AreSoManyAtMost) {
  std::vector<std::weak_ptr<const Fd>> files;
  for (std::uint64_t i = 0; i < 300; ++i) {
    m_directory.write(std::to_string(i), "x");
    files.emplace_back(open(i)->file);
  }
  EXPECT_TRUE(files.front().expired());
  EXPECT_FALSE(files.back().expired());
  EXPECT_LE(std::ranges::count_if(files, [](const auto& file) { return !file.expired(); }), 128);
}

}  // namespace
}  // namespace slipway::blob
