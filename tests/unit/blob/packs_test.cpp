#include "blob/packs.hpp"

#include "support/temp_directory.hpp"

#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace slipway::blob {
namespace {

namespace fs = std::filesystem;

class PacksTest : public testing::Test {
protected:
  void SetUp() override { fs::create_directory(m_directory / "packs"); }

  Result<Location> put(Packs& packs, std::uint64_t id, std::string_view text) {
    const SmallBlob blob{LocationId{id}, as_bytes(text)};
    auto locations = packs.put({&blob, 1});
    if (!locations) return std::unexpected(locations.error());
    return locations->front();
  }

  std::string content(Packs& packs, const Location& location) {
    const auto opened = packs.open(location.key);
    if (!opened) return std::string("(") + name_of(opened.error().failure) + ")";
    std::string out(location.range.length, '\0');
    EXPECT_EQ(read_some(opened->file->get(), std::as_writable_bytes(std::span(out)), location.range.offset),
              out.size());
    return out;
  }

  std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(m_directory / "packs")) out.push_back(entry.path().filename());
    return out;
  }

  test::TempDirectory m_directory;
  Packs m_packs{m_directory / ".", 1000};
};

TEST_F(PacksTest, AreWrittenAsDocumented) {
  const auto one = put(m_packs, 0x0102, "one").value();
  put(m_packs, 2, "two").value();
  EXPECT_EQ(one.kind, LocationKind::pack);
  EXPECT_EQ(one.range, (ByteRange{32, 3}));
  const auto header = [](char low, char high, char size) {
    return std::string{low, high, 0, 0, 0, 0, 0, 0, size, 0, 0, 0, 0, 0, 0, 0};
  };
  EXPECT_EQ(read_file(m_directory / one.key, 1000),
            "slipway pack 1\n\n" + header(2, 1, 3) + "one" + header(2, 0, 3) + "two");
}

TEST_F(PacksTest, AreSealedOnceFull) {
  const auto first = put(m_packs, 1, std::string(990, 'x')).value();
  EXPECT_EQ(m_packs.sealed_size(first.key).value(), std::optional<std::uint64_t>());
  const auto second = put(m_packs, 2, "in another").value();
  EXPECT_NE(second.key, first.key);
  EXPECT_EQ(m_packs.sealed_size(first.key).value(), std::optional<std::uint64_t>(16 + 16 + 990));
  EXPECT_EQ(m_packs.sealed_size(second.key).value(), std::optional<std::uint64_t>());
  EXPECT_EQ(m_packs.sealed_size("packs/absent").error().failure, Failure::not_found);
  EXPECT_EQ(content(m_packs, first), std::string(990, 'x'));
  EXPECT_EQ(content(m_packs, second), "in another");
}

TEST_F(PacksTest, AreNeverContinuedByAnotherProcess) {
  const auto first = put(m_packs, 1, "first").value();
  Packs next(m_directory / ".", 1000);
  EXPECT_TRUE(next.sealed_size(first.key)->has_value());
  EXPECT_NE(put(next, 2, "second")->key, first.key);
  EXPECT_EQ(content(next, first), "first");
}

TEST_F(PacksTest, AreGoneOnceRemovedButNotForThoseWhoReadThem) {
  const auto location = put(m_packs, 1, std::string(2000, 'x')).value();
  put(m_packs, 2, "another").value();
  const auto reading = m_packs.open(location.key).value().file;
  ASSERT_TRUE(m_packs.remove(location.key));
  EXPECT_EQ(content(m_packs, location), "(not_found)");
  EXPECT_TRUE(m_packs.remove(location.key));
  char byte = 0;
  EXPECT_EQ(::pread(reading->get(), &byte, 1, static_cast<off_t>(location.range.offset)), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_F(PacksTest, AreOpenForReadingInBoundedNumber) {
  std::vector<Location> locations;
  for (std::uint64_t id = 1; id <= 300; ++id) locations.push_back(put(m_packs, id, std::string(1000, 'x')).value());
  for (const auto& location : locations) EXPECT_EQ(content(m_packs, location).size(), 1000U);
  EXPECT_LT(std::distance(fs::directory_iterator("/proc/self/fd"), {}), 290);
}

/// While it lives, files cannot grow past `size`.
class FileSizeLimit {
public:
  explicit FileSizeLimit(rlim_t size) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &m_before);
    const rlimit limit{size, m_before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &m_before);
    std::signal(SIGXFSZ, SIG_DFL);
  }

private:
  rlimit m_before{};
};

TEST_F(PacksTest, GoOnInAnotherFileAfterAFailure) {
  const auto kept = put(m_packs, 1, "kept").value();
  {
    const FileSizeLimit limit(100);
    EXPECT_FALSE(put(m_packs, 2, std::string(500, 'x')));
  }
  EXPECT_EQ(fs::file_size(m_directory / kept.key), 16U + 16 + 4);  // nothing half
  EXPECT_EQ(m_packs.sealed_size(kept.key).value(), std::optional<std::uint64_t>(36));
  const auto after = put(m_packs, 3, "after").value();
  EXPECT_NE(after.key, kept.key);
  EXPECT_EQ(content(m_packs, kept), "kept");
  EXPECT_EQ(content(m_packs, after), "after");
}

TEST_F(PacksTest, LeaveNoFileThatNeverHeldAnything) {
  {
    const FileSizeLimit limit(100);
    EXPECT_FALSE(put(m_packs, 1, std::string(500, 'x')));
  }
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(content(m_packs, put(m_packs, 1, "again").value()), "again");
}

TEST_F(PacksTest, TellThatTheirFolderIsMissing) {
  fs::remove(m_directory / "packs");
  const auto failed = put(m_packs, 1, "x");
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("packs/"), std::string::npos) << failed.error().message;
  fs::create_directory(m_directory / "packs");
  EXPECT_TRUE(put(m_packs, 1, "x"));
}

}  // namespace
}  // namespace slipway::blob
