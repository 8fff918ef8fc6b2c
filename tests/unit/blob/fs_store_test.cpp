// What is particular to files; the promises of every store are in tests/contract/blob_store_test.cpp.

#include "blob/fs_store.hpp"

#include "support/temp_directory.hpp"

#include <gtest/gtest.h>
#include <set>
#include <sys/stat.h>

namespace slipway::blob {
namespace {

namespace fs = std::filesystem;

class FsStoreTest : public testing::Test {
protected:
  std::unique_ptr<FsStore> open() {
    auto store = FsStore::open(m_root);
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
  }

  /// Every regular file below the store, relative to it.
  std::set<std::string> files() const {
    std::set<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(m_root))
      if (entry.is_regular_file()) out.insert(fs::relative(entry.path(), m_root).string());
    return out;
  }

  test::TempDirectory m_directory;
  const fs::path m_root = m_directory / "store";
};

TEST_F(FsStoreTest, IsMadeWhereNothingIs) {
  const auto store = open();
  EXPECT_EQ(store->identity()->size(), 32U);
  EXPECT_TRUE(fs::is_directory(m_root / "raw"));
  EXPECT_TRUE(fs::is_directory(m_root / "uploads"));
}

TEST_F(FsStoreTest, KeepsItsIdentity) {
  const auto first = open()->identity().value();
  EXPECT_EQ(open()->identity(), first);
  const auto other = FsStore::open(m_directory / "other");
  EXPECT_NE((*other)->identity(), first);
}

TEST_F(FsStoreTest, RefusesADirectoryOfSomebodyElse) {
  m_directory.write("store/precious.txt", "mine");
  const auto store = FsStore::open(m_root);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().failure, Failure::invalid);
  EXPECT_NE(store.error().message.find(m_root.string()), std::string::npos);
  EXPECT_EQ(files(), std::set<std::string>{"precious.txt"});
}

TEST_F(FsStoreTest, IsMadeWhereTheFirstStartDiedOverItsIdentity) {
  m_directory.write("store/store.id.new", "0123");
  EXPECT_EQ(open()->identity()->size(), 32U);
  EXPECT_EQ(files(), std::set<std::string>{"store.id"});
}

TEST_F(FsStoreTest, KnowsTheHighestIdThatHasAFile) {
  const auto store = open();
  EXPECT_EQ(store->highest(LocationId{}), LocationId{0});
  for (const auto id : {1U, 0x1fffU, 0x5002U}) {
    const auto upload = store->begin(LocationId{id}, false).value();
    ASSERT_TRUE(upload->finish());
  }
  EXPECT_EQ(store->highest(LocationId{}), LocationId{0x5002});
  ASSERT_TRUE(store->remove({LocationId{0x5002}, LocationKind::raw, "raw/5/0000000000005002", {}}));
  EXPECT_EQ(store->highest(LocationId{}), LocationId{0x1fff}) << "its folder is empty now";
  for (const auto* foreign : {"raw/fff/note", "raw/fff/0000000000000007", "raw/FFFF/x", "uploads/ffffffffffffffff"})
    m_directory.write(std::string("store/") + foreign, "not ours");
  EXPECT_EQ(store->highest(LocationId{}), LocationId{0x1fff});
  const auto upload = store->begin(LocationId{0x9000}, true).value();
  ASSERT_TRUE(upload->suspend());
  EXPECT_EQ(store->highest(LocationId{}), LocationId{0x9000});
}

TEST_F(FsStoreTest, OpensAnExistingOneWithoutMakingAnything) {
  EXPECT_FALSE(FsStore::open_existing(m_root));
  EXPECT_FALSE(fs::exists(m_root));
  const auto identity = open()->identity().value();
  const auto existing = FsStore::open_existing(m_root);
  ASSERT_TRUE(existing);
  EXPECT_EQ((*existing)->identity(), identity);
}

TEST_F(FsStoreTest, RefusesABrokenIdentity) {
  open();
  for (const auto* text : {"", "short\n", "0123456789abcdef0123456789abcdef and more\n"}) {
    m_directory.write("store/store.id", text);
    EXPECT_FALSE(FsStore::open(m_root)) << text;
  }
}

TEST_F(FsStoreTest, PutsFinishedBytesWhereTheFormatSays) {
  const auto store = open();
  auto upload = store->begin(LocationId{0x12345}, false);
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->write(as_bytes("x")));
  EXPECT_EQ(files(), std::set<std::string>{"store.id"});  // an unnamed file until it is whole
  const auto location = (*upload)->finish();
  ASSERT_TRUE(location);
  EXPECT_EQ(location->key, "raw/12/0000000000012345");
  EXPECT_EQ(files(), (std::set<std::string>{"store.id", "raw/12/0000000000012345"}));
}

TEST_F(FsStoreTest, PutsResumableBytesUnderUploads) {
  const auto store = open();
  auto upload = store->begin(LocationId{0xabc}, true);
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->write(as_bytes("x")));
  ASSERT_TRUE((*upload)->suspend());
  EXPECT_TRUE(files().contains("uploads/0000000000000abc"));
  ASSERT_TRUE((*upload)->finish());
  EXPECT_EQ(files(), (std::set<std::string>{"store.id", "raw/0/0000000000000abc"}));
}

TEST_F(FsStoreTest, OverwritesWhatACrashLeftOfTheSameUpload) {
  const auto store = open();
  m_directory.write("store/uploads/0000000000000007", "left over, and longer than what comes");
  auto upload = store->begin(LocationId{7}, true);
  ASSERT_TRUE(upload);
  ASSERT_TRUE((*upload)->write(as_bytes("new")));
  const auto location = (*upload)->finish();
  ASSERT_TRUE(location);
  EXPECT_EQ(read_file(m_root / location->key, 100), "new");
}

TEST_F(FsStoreTest, GivesBackTheRoomThatALargeUploadDidNotUse) {
  const auto store = open();
  const std::string mebibyte(1U << 20, 'x');
  auto upload = store->begin(LocationId{7}, true);
  ASSERT_TRUE(upload);
  for (int i = 0; i < 9; ++i) ASSERT_TRUE((*upload)->write(as_bytes(mebibyte)));
  const auto location = (*upload)->finish();
  ASSERT_TRUE(location);
  struct stat status{};
  ASSERT_EQ(::stat((m_root / location->key).c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 9 << 20);
  EXPECT_LT(status.st_blocks * 512, 10 << 20);
}

TEST_F(FsStoreTest, DropsWhatWasWrittenBehindTheToken) {
  const auto store = open();
  auto upload = store->begin(LocationId{7}, true);
  ASSERT_TRUE((*upload)->write(as_bytes("durable")));
  const auto token = (*upload)->suspend();
  upload->reset();
  m_directory.write("store/uploads/0000000000000007", "durable and then the power went");
  auto resumed = store->resume(LocationId{7}, *token, Predecessor::gone);
  ASSERT_TRUE(resumed);
  const auto location = (*resumed)->finish();
  ASSERT_TRUE(location);
  EXPECT_EQ(read_file(m_root / location->key, 100), "durable");
}

TEST_F(FsStoreTest, RefusesToGoOnWithAFileThatLostBytes) {
  const auto store = open();
  auto upload = store->begin(LocationId{7}, true);
  ASSERT_TRUE((*upload)->write(as_bytes("acknowledged")));
  const auto token = (*upload)->suspend();
  upload->reset();
  m_directory.write("store/uploads/0000000000000007", "ack");
  EXPECT_EQ(store->resume(LocationId{7}, *token, Predecessor::gone).error().failure, Failure::corrupt);
}

TEST_F(FsStoreTest, TellsAMissingFileFromAShortOne) {
  auto store = open();
  auto upload = store->begin(LocationId{7}, false);
  ASSERT_TRUE((*upload)->write(as_bytes("0123456789")));
  const auto location = (*upload)->finish();
  ASSERT_TRUE(location);
  m_directory.write("store/" + location->key, "01234");
  EXPECT_EQ(store->open(*location, {0, 10}).error().failure, Failure::corrupt);
  EXPECT_TRUE(store->open(*location, {0, 5}));
  fs::remove(m_root / location->key);
  EXPECT_TRUE(store->open(*location, {0, 5}));  // for a second, it is that file still
  upload->reset();
  store = open();
  EXPECT_EQ(store->open(*location, {0, 10}).error().failure, Failure::not_found);
}

TEST_F(FsStoreTest, ReadsOnThoughTheFileIsRemovedMeanwhile) {
  const auto store = open();
  auto upload = store->begin(LocationId{7}, false);
  ASSERT_TRUE((*upload)->write(as_bytes("still here")));
  const auto location = (*upload)->finish();
  const auto slice = store->open(*location, location->range);
  ASSERT_TRUE(slice);
  ASSERT_TRUE(store->remove(*location));
  std::array<std::byte, 10> buffer;
  EXPECT_EQ(read_some(slice->file->get(), buffer, 0), 10U);
  EXPECT_EQ(as_text(buffer), "still here");
}

TEST_F(FsStoreTest, FinishesTheSameUploadAgainAfterItsAnswerWasLost) {
  // The bytes got their name, then the catalog could not commit: the client sends the same session once more.
  const auto store = open();
  for (const auto* text : {"first", "second"}) {
    auto upload = store->begin(LocationId{7}, false);
    ASSERT_TRUE(upload);
    ASSERT_TRUE((*upload)->write(as_bytes(text)));
    const auto location = (*upload)->finish();
    ASSERT_TRUE(location) << location.error().message;
    EXPECT_EQ(read_file(m_root / location->key, 100), text);
  }
}

TEST_F(FsStoreTest, ListsLocationsAndPassesOverWhatIsNone) {
  const auto store = open();
  auto upload = store->begin(LocationId{0x1001}, false);
  ASSERT_TRUE((*upload)->write(as_bytes("12345")));
  ASSERT_TRUE((*upload)->finish());
  m_directory.write("store/raw/1/notes.txt", "x");
  m_directory.write("store/raw/1/00000000000001zz", "x");
  std::vector<std::pair<std::uint64_t, std::uint64_t>> listed;
  ASSERT_TRUE(
      store->list([&](const Location& object) { listed.emplace_back(number_of(object.id), object.range.length); }));
  EXPECT_EQ(listed, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0x1001, 5}}));
}

TEST_F(FsStoreTest, TellsItsSpace) {
  const auto space = open()->space();
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

TEST_F(FsStoreTest, KeepsRoomFromNewContent) {
  EXPECT_TRUE(open()->expect_room());
  EXPECT_TRUE(FsStore::open(m_root, 1).value()->expect_room());
  const auto all = open()->space().value().total_bytes;
  const auto refused = FsStore::open(m_root, all + 1).value()->expect_room();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::no_space);
  EXPECT_NE(refused.error().message.find(m_root.string()), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace slipway::blob
