#include "lifecycle/packs.hpp"

#include "lifecycle/janitor.hpp"

#include "base/log.hpp"
#include "blob/fs_store.hpp"
#include "blob/intake.hpp"
#include "catalog/keep.hpp"
#include "sql/sqlite.hpp"
#include "support/manual_clock.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace slipway::lifecycle {
namespace {

TEST(PacksToCompact, AreTheSparseAndTheManySmall) {
  const auto pack = [](const char* key, std::uint64_t wanted, std::uint64_t size) {
    return SealedPack{{key, wanted > 0 ? 1U : 0U, wanted}, size};
  };
  const auto keys = [](const std::vector<SealedPack>& packs) {
    std::string out;
    for (const auto& chosen : packs_to_compact(packs)) out += chosen.key;
    return out;
  };
  EXPECT_EQ(keys({}), "");
  EXPECT_EQ(keys({pack("a", 460, 1000), pack("b", 470, 1000), pack("c", 968, 1000), pack("d", 0, 16)}), "ad");
  EXPECT_EQ(keys({pack("a", 2, 34)}), "");  // it has as little everywhere
  EXPECT_EQ(keys({8, pack("s", 90, 100)}), "");
  EXPECT_EQ(keys({9, pack("s", 90, 100)}), "sssssssss");
}

/// A catalog over a store of files, which is opened anew so that its packs are sealed.
class PacksTest : public testing::Test {
protected:
  void SetUp() override { reopen(); }
  void TearDown() override { log::set_level(log::Level::info); }

  void reopen(std::uint64_t keep_free = 0) {
    m_store = std::move(blob::FsStore::open(m_directory / "store", keep_free).value());
  }

  std::string text(int n) { return "blob " + std::to_string(n) + std::string(static_cast<std::size_t>(n) * 100, 'x'); }

  /// As an entry of a cache, which gives its bytes back at once when it goes.
  void push(int n) {
    auto intake = blob::Intake::begin(*m_store, m_catalog->next_location().value(), false).value();
    ASSERT_TRUE(intake.write(as_bytes(text(n))));
    const auto digests = intake.digests();
    const auto location = intake.finish().value();
    ASSERT_TRUE(m_catalog->commit_entry("c", std::to_string(n), digests, location, "store", false));
  }

  std::string pull(int n) {
    const auto entry = m_catalog->find_entry("c", std::to_string(n));
    if (!entry) return "(absent)";
    const auto slice = m_store->open(entry->blob.location, {0, entry->blob.size});
    if (!slice) return std::string("(") + name_of(slice.error().failure) + ")";
    std::string out(slice->range.length, '\0');
    EXPECT_TRUE(read_some(*slice, std::as_writable_bytes(std::span(out)), 0));
    return out;
  }

  Compaction compact() {
    const auto done = compact_packs(*m_catalog, *m_store, m_clock.now());
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_TRUE(finish_deletions(*m_catalog, *m_store));
    return done.value_or(Compaction());
  }

  std::vector<std::filesystem::path> files() {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(m_directory / "store/packs"))
      out.push_back(entry.path());
    return out;
  }

  test::TempDirectory m_directory;
  test::ManualClock m_clock;
  std::unique_ptr<sql::SqliteDatabase> m_database =
      std::move(sql::SqliteDatabase::open(m_directory / "catalog.sqlite").value());
  std::unique_ptr<catalog::Catalog> m_catalog = std::move(catalog::Catalog::open(*m_database, m_clock).value());
  std::unique_ptr<blob::FsStore> m_store;
};

TEST_F(PacksTest, MoveWhatIsWantedAndGo) {
  for (int n = 0; n < 20; ++n) push(n);
  for (int n = 0; n < 20; ++n)
    if (n % 4 != 0) {
      ASSERT_TRUE(m_catalog->remove_entry("c", std::to_string(n)));
    }
  EXPECT_EQ(compact().emptied, 0U);  // it is still written to
  reopen();
  const auto before = files();
  const auto done = compact();
  EXPECT_EQ(done.emptied, 1U);
  EXPECT_EQ(done.blobs_moved, 5U);
  EXPECT_EQ(files().size(), 1U);
  EXPECT_NE(files(), before);
  for (int n = 0; n < 20; ++n) EXPECT_EQ(pull(n), n % 4 == 0 ? text(n) : "(absent)");
  EXPECT_EQ(m_catalog->totals()->deletions, 0U);
  reopen();
  EXPECT_EQ(compact().emptied, 0U);  // there is nothing to gain
  EXPECT_EQ(pull(4), text(4));
}

TEST_F(PacksTest, ArePutTogetherOnceTheyAreMany) {
  for (int n = 0; n < 12; ++n) {
    reopen();
    push(n);
  }
  reopen();
  ASSERT_EQ(files().size(), 12U);
  EXPECT_EQ(compact().emptied, 12U);
  EXPECT_EQ(files().size(), 1U);
  for (int n = 0; n < 12; ++n) EXPECT_EQ(pull(n), text(n));
}

TEST_F(PacksTest, GoOneByOneWhereLittleRoomIsLeft) {
  for (int n = 0; n < 12; ++n) {
    reopen();
    push(n);
  }
  reopen(std::uint64_t{1} << 60);
  EXPECT_EQ(compact().emptied, 1U);
  EXPECT_EQ(compact_packs(*m_catalog, *m_store, m_clock.now())->emptied, 1U);
  EXPECT_EQ(compact_packs(*m_catalog, *m_store, m_clock.now())->emptied, 0U) << "that one is not removed yet";
  EXPECT_TRUE(finish_deletions(*m_catalog, *m_store));
  EXPECT_EQ(compact().emptied, 1U);
  reopen();
  EXPECT_GT(compact().emptied, 1U);
  for (int n = 0; n < 12; ++n) EXPECT_EQ(pull(n), text(n));
}

TEST_F(PacksTest, GoAtOnceWhenNothingIsWanted) {
  push(1);
  ASSERT_TRUE(m_catalog->remove_entry("c", "1"));
  reopen();
  const auto done = compact();
  EXPECT_EQ(done.emptied, 1U);
  EXPECT_EQ(done.blobs_moved, 0U);
  EXPECT_TRUE(files().empty());
}

TEST_F(PacksTest, StayWhileSomethingInThemIsDamaged) {
  log::set_level(log::Level::off);
  for (int n = 0; n < 4; ++n) push(n);
  ASSERT_TRUE(m_catalog->remove_entry("c", "3"));
  ASSERT_TRUE(m_catalog->remove_entry("c", "2"));
  reopen();
  const auto pack = files().front();
  const auto damaged = m_catalog->find_entry("c", "1")->blob.location;
  ASSERT_TRUE(write_all(open_file(pack, O_WRONLY)->get(), as_bytes("?"), damaged.range.offset));
  const auto done = compact();
  EXPECT_EQ(done.emptied, 0U);
  EXPECT_EQ(done.blobs_moved, 1U);
  EXPECT_TRUE(std::filesystem::exists(pack));
  EXPECT_EQ(pull(0), text(0));
  EXPECT_EQ(m_catalog->find_entry("c", "1")->blob.location.key, damaged.key);
}

TEST_F(PacksTest, AreReadFromTheirNewPlaceByWhoeverLookedThemUpBefore) {
  push(1);
  push(9);
  const auto known = m_catalog->find_entry("c", "1")->blob;
  ASSERT_TRUE(m_catalog->remove_entry("c", "9"));
  reopen();
  ASSERT_EQ(compact().emptied, 1U);
  EXPECT_EQ(m_store->open(known.location, {0, known.size}).error().failure, Failure::not_found);
  const auto look_again = [&]() -> Result<catalog::StoredBlob> { return m_catalog->find_entry("c", "1")->blob; };
  EXPECT_TRUE(catalog::open_blob(*m_store, known, {0, known.size}, look_again));
}

}  // namespace
}  // namespace slipway::lifecycle
