#include "blob/read_cache.hpp"

#include "support/temp_directory.hpp"

#include <atomic>
#include <condition_variable>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>

namespace slipway::blob {
namespace {

/// An object on another machine, which counts what is asked of it.
struct Remote {
  std::string bytes;
  std::vector<ByteRange> asked;
  std::mutex mutex;  // guards `asked`
  std::atomic<int> failures = 0;
  std::size_t piece = 1000;

  explicit Remote(std::size_t size) {
    for (std::size_t at = 0; bytes.size() < size; ++at) bytes += fmt::format("{:07x}.", at);
    bytes.resize(size);
  }
  Fetch fetch() {
    return [this](ByteRange range, const std::function<Result<>(ByteView)>& sink) -> Result<> {
      {
        const std::lock_guard lock(mutex);
        asked.push_back(range);
      }
      for (std::uint64_t at = 0; at < range.length; at += piece) {
        if (failures > 0 && at > 0 && failures-- > 0) return fail(Failure::unavailable, "gone");
        const auto size = std::min<std::uint64_t>(piece, range.length - at);
        TRY(sink(as_bytes(bytes).subspan(range.offset + at, size)));
      }
      return {};
    };
  }
  std::uint64_t bytes_asked() const {
    std::uint64_t sum = 0;
    for (const auto& range : asked) sum += range.length;
    return sum;
  }
};

class ReadCacheTest : public testing::Test {
protected:
  std::unique_ptr<ReadCache> open(std::uint64_t bytes_max = 1U << 20) {
    auto cache = ReadCache::open(m_directory / "cache", bytes_max);
    EXPECT_TRUE(cache) << cache.error().message;
    return std::move(*cache);
  }
  static std::string read(const Result<FileSlice>& slice) {
    if (!slice) return "(" + slice.error().message + ")";
    std::string out(slice->range.length, '\0');
    const auto n = read_some(*slice, std::as_writable_bytes(std::span(out)), 0);
    return n ? out.substr(0, *n) : "(" + n.error().message + ")";
  }
  std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(m_directory / "cache"))
      if (entry.is_regular_file()) out.push_back(entry.path().filename().string());
    std::ranges::sort(out);
    return out;
  }

  const test::TempDirectory m_directory;
};

TEST_F(ReadCacheTest, FetchesEachByteOnce) {
  Remote remote(10'000);
  const auto cache = open();
  const auto first = cache->open("aa1", 10'000, {2000, 3000}, remote.fetch());
  EXPECT_EQ(remote.asked.size(), 0U);
  EXPECT_EQ(read(first), remote.bytes.substr(2000, 3000));
  EXPECT_EQ(read(cache->open("aa1", 10'000, {0, 10'000}, remote.fetch())), remote.bytes);
  EXPECT_EQ(read(cache->open("aa1", 10'000, {7, 9000}, remote.fetch())), remote.bytes.substr(7, 9000));
  EXPECT_EQ(remote.bytes_asked(), 10'000U);
  EXPECT_EQ(remote.asked.size(), 3U);
}

TEST_F(ReadCacheTest, KeepsWhatIsWholeOverARestart) {
  Remote remote(5000);
  {
    const auto cache = open();
    EXPECT_EQ(read(cache->open("aa1", 5000, {0, 5000}, remote.fetch())), remote.bytes);
    const auto part = cache->open("bb2", 5000, {0, 1000}, remote.fetch());
    EXPECT_EQ(read(part), remote.bytes.substr(0, 1000));
    std::ofstream(m_directory / "cache" / "bb" / "bb3.00000000.part") << "of a killed process";
  }
  const auto cache = open();
  EXPECT_THAT(files(), testing::ElementsAre("aa1"));
  EXPECT_EQ(cache->usage().files, 1U);
  EXPECT_EQ(cache->usage().bytes, 5000U);
  remote.asked.clear();
  EXPECT_EQ(read(cache->open("aa1", 5000, {100, 200}, remote.fetch())), remote.bytes.substr(100, 200));
  EXPECT_TRUE(remote.asked.empty());
}

TEST_F(ReadCacheTest, GivesUpTheLeastRecentlyUsed) {
  const auto cache = open(80'000);  // of which an object may have an eighth
  Remote remote(10'000);
  const auto use = [&](const std::string& name) {
    remote.asked.clear();
    EXPECT_EQ(read(cache->open(name, 10'000, {0, 10'000}, remote.fetch())), remote.bytes);
    return !remote.asked.empty();
  };
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(use(fmt::format("a{}", i)));
  EXPECT_FALSE(use("a0"));
  EXPECT_TRUE(use("a8"));  // in place of a1
  EXPECT_FALSE(use("a0"));
  EXPECT_TRUE(use("a1"));
  EXPECT_EQ(cache->usage().files, 8U);
  EXPECT_EQ(files().size(), 8U);
}

TEST_F(ReadCacheTest, GoesOnReadingWhatWasGivenUp) {
  const auto cache = open(80'000);
  Remote remote(10'000);
  const auto slice = cache->open("aa", 10'000, {0, 10'000}, remote.fetch());
  ASSERT_TRUE(slice->filling->fill({0, 5000}));
  for (int i = 0; i < 9; ++i)
    static_cast<void>(read(cache->open(fmt::format("b{}", i), 10'000, {0, 10'000}, remote.fetch())));
  EXPECT_EQ(read(slice), remote.bytes);
  EXPECT_THAT(files(), testing::Not(testing::Contains("aa")));
  EXPECT_EQ(read(cache->open("aa", 10'000, {0, 10'000}, remote.fetch())), remote.bytes);
  EXPECT_THAT(files(), testing::Contains("aa"));
}

TEST_F(ReadCacheTest, TellsAllWhoWaitForItHowItGoesOn) {
  constexpr std::size_t size = 2U << 20;
  Remote remote(size);
  const auto cache = open(16U << 20);
  const auto slice = cache->open("aa", size, {0, size}, remote.fetch());
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      std::vector<std::uint64_t> seen;
      EXPECT_TRUE(slice->filling->fill({0, size}, [&] { seen.push_back(slice->filling->filled(0)); }));
      EXPECT_TRUE(std::ranges::is_sorted(seen));
      EXPECT_TRUE(seen.empty() || seen.back() == size);
    });
  for (auto& thread : threads) thread.join();
  int times = 0;
  EXPECT_EQ(remote.bytes_asked(), size);
  EXPECT_TRUE(slice->filling->fill({0, size}, [&] { ++times; }));
  EXPECT_EQ(times, 0);  // nothing more came
  EXPECT_EQ(read(slice), remote.bytes);
}

TEST_F(ReadCacheTest, HasNothingOfWhatIsTooLarge) {
  const auto cache = open(8 * 4096);
  Remote remote(4097);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(read(cache->open("aa", 4097, {0, 4097}, remote.fetch())), remote.bytes);
  EXPECT_EQ(remote.bytes_asked(), 2 * 4097U);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(read(open(0)->open("bb", 0, {0, 0}, remote.fetch())), "");
}

TEST_F(ReadCacheTest, TakesLittleRoomForWhatIsLarge) {
  constexpr std::size_t size = 200U << 20;
  Remote remote(size);
  remote.piece = 1U << 20;
  const auto cache = open(0);
  const auto slice = cache->open("aa", size, {0, size}, remote.fetch());
  std::string out(1U << 20, '\0');
  struct stat status{};
  std::uint64_t room = 0;
  for (std::uint64_t at = 0; at < size; at += out.size()) {
    ASSERT_EQ(read_some(*slice, std::as_writable_bytes(std::span(out)), at), out.size());
    ASSERT_TRUE(std::string_view(remote.bytes).substr(at, out.size()) == out) << at;
    ASSERT_EQ(::fstat(slice->file->get(), &status), 0);
    room = std::max<std::uint64_t>(room, static_cast<std::uint64_t>(status.st_blocks) * 512);
  }
  EXPECT_EQ(remote.bytes_asked(), size);
  EXPECT_LT(room, 100U << 20);
}

TEST_F(ReadCacheTest, SaysWhatFailedAndTriesAgain) {
  Remote remote(5000);
  remote.failures = 1;
  const auto cache = open();
  const auto slice = cache->open("aa", 5000, {0, 5000}, remote.fetch());
  EXPECT_EQ(read(slice), "(gone)");
  EXPECT_EQ(read(slice), remote.bytes);
  EXPECT_EQ(remote.bytes_asked(), 5000U + 4000U);  // what had come is not asked for again
}

TEST_F(ReadCacheTest, ServesManyAtOnce) {
  Remote remote(1U << 20);
  const auto cache = open(8U << 20);
  std::vector<std::thread> readers;
  std::atomic<int> right = 0;
  for (unsigned i = 0; i < 8; ++i)
    readers.emplace_back([&, i] {
      for (unsigned n = 0; n < 50; ++n) {
        const std::uint64_t offset = (i * 7919 + n * 104'729) % (1U << 20);
        const std::uint64_t length = std::min<std::uint64_t>(50'000, (1U << 20) - offset);
        const auto name = fmt::format("a{}", n % 3);
        right +=
            read(cache->open(name, 1U << 20, {offset, length}, remote.fetch())) == remote.bytes.substr(offset, length);
      }
    });
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(right, 8 * 50);
}

}  // namespace
}  // namespace slipway::blob
