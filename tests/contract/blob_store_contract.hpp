#pragma once
// What every BlobStore promises, whatever it is made of. Included by the one file of a program that says which stores
// it has.

#include "blob/store.hpp"

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <thread>

namespace slipway::blob {
namespace {

/// A place for a store, which outlives the process that uses it.
class Ground {
public:
  virtual ~Ground() = default;
  /// The store on it, as a process that just started finds it.
  virtual std::unique_ptr<BlobStore> open() = 0;
  /// What a finish that nobody heard of has left is gone as soon as its upload goes on, what was suspended as soon as
  /// it is abandoned.
  virtual bool is_tidied_at_once() const { return true; }
};

struct Kind {
  const char* name;
  std::unique_ptr<Ground> (*make)();
};

/// Else a test's name would hold addresses, other ones at each run.
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class BlobStoreContract : public testing::TestWithParam<Kind> {
protected:
  std::unique_ptr<Upload> begin(bool resumable, LocationId id = LocationId{42}) {
    auto upload = m_store->begin(id, resumable);
    EXPECT_TRUE(upload) << upload.error().message;
    return std::move(*upload);
  }

  Location put(std::string_view text, LocationId id = LocationId{42}) {
    const auto upload = begin(false, id);
    EXPECT_TRUE(upload->write(as_bytes(text)));
    const auto location = upload->finish();
    EXPECT_TRUE(location) << location.error().message;
    return *location;
  }

  std::string read(const Location& location, ByteRange range) {
    const auto slice = m_store->open(location, range);
    if (!slice) return std::string("(") + name_of(slice.error().failure) + ")";
    std::string out(slice->range.length, '\0');
    const auto n = read_some(*slice, std::as_writable_bytes(std::span(out)), 0);
    return n ? out.substr(0, *n) : std::string("(") + name_of(n.error().failure) + ")";
  }
  std::string read(const Location& location) { return read(location, {0, location.range.length}); }

  /// The sizes of what is finished, or else of uploads that are not.
  std::map<std::uint64_t, std::uint64_t> listed(bool uploads = false) {
    std::map<std::uint64_t, std::uint64_t> out;
    EXPECT_TRUE(m_store->list([&](const Location& object) {
      if ((object.kind == LocationKind::upload) == uploads) out.emplace(number_of(object.id), object.range.length);
    }));
    return out;
  }

  /// All there is, finished or not.
  int objects() {
    int count = 0;
    EXPECT_TRUE(m_store->list([&](const Location&) { ++count; }));
    return count;
  }

  void restart() { m_store = m_ground->open(); }

  std::unique_ptr<Ground> m_ground = GetParam().make();
  std::unique_ptr<BlobStore> m_store = m_ground->open();
};

TEST_P(BlobStoreContract, GivesBackWhatWasFinished) {
  const auto upload = begin(false);
  EXPECT_EQ(upload->position(), 0U);
  ASSERT_TRUE(upload->write(as_bytes("hello ")));
  ASSERT_TRUE(upload->write(as_bytes("world")));
  EXPECT_EQ(upload->position(), 11U);
  const auto location = upload->finish();
  ASSERT_TRUE(location);
  EXPECT_EQ(location->id, LocationId{42});
  EXPECT_EQ(location->range, (ByteRange{0, 11}));
  EXPECT_EQ(read(*location), "hello world");
}

TEST_P(BlobStoreContract, KeepsEmptyContent) {
  const auto location = put("");
  EXPECT_EQ(location.range.length, 0U);
  EXPECT_EQ(read(location), "");
  EXPECT_EQ(listed(), (std::map<std::uint64_t, std::uint64_t>{{42, 0}}));
}

TEST_P(BlobStoreContract, OpensAnyRange) {
  const auto location = put("0123456789");
  EXPECT_EQ(read(location, {0, 10}), "0123456789");
  EXPECT_EQ(read(location, {3, 4}), "3456");
  EXPECT_EQ(read(location, {9, 1}), "9");
  EXPECT_EQ(read(location, {10, 0}), "");
}

TEST_P(BlobStoreContract, NeverGivesFewerBytesThanAskedFor) {
  const auto location = put("0123456789");
  EXPECT_EQ(read(location, {5, 6}), "(corrupt)");
  EXPECT_EQ(read(location, {11, 1}), "(corrupt)");
}

TEST_P(BlobStoreContract, StillHasItAfterARestart) {
  const auto location = put("durable");
  restart();
  EXPECT_EQ(read(location), "durable");
}

TEST_P(BlobStoreContract, ShowsNothingBeforeFinish) {
  const auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("not yet")));
  ASSERT_TRUE(upload->suspend());
  EXPECT_TRUE(listed().empty());
}

TEST_P(BlobStoreContract, ReadsWhatWasWrittenWhileItIsWritten) {
  const auto upload = begin(false);
  ASSERT_TRUE(upload->write(as_bytes("0123456789")));
  std::array<std::byte, 4> buffer;
  EXPECT_EQ(upload->read(buffer, 8), 2U);
  EXPECT_EQ(upload->read(buffer, 2), 4U);
  EXPECT_EQ(as_text(buffer), "2345");
  EXPECT_EQ(upload->read(buffer, 10), 0U);
  ASSERT_TRUE(upload->write(as_bytes("abc")));  // reading moves nothing
  EXPECT_EQ(read(*upload->finish()), "0123456789abc");
}

TEST_P(BlobStoreContract, RemovesForGoodAndTwiceIsNoError) {
  const auto location = put("x");
  EXPECT_TRUE(m_store->remove(location));
  EXPECT_EQ(read(location), "(not_found)");
  EXPECT_TRUE(listed().empty());
  EXPECT_TRUE(m_store->remove(location));
  restart();
  EXPECT_EQ(read(location), "(not_found)");
}

TEST_P(BlobStoreContract, RemovesOnlyWhatItIsTold) {
  const auto gone = put("gone", LocationId{1});
  const auto kept = put("kept", LocationId{2});
  ASSERT_TRUE(m_store->remove(gone));
  EXPECT_EQ(read(kept), "kept");
}

TEST_P(BlobStoreContract, LeavesNothingOfAnUploadThatWasNeverSuspended) {
  for (const bool resumable : {false, true}) {
    const auto upload = begin(resumable);
    ASSERT_TRUE(upload->write(as_bytes("x")));
  }
  restart();
  EXPECT_TRUE(listed().empty());
  EXPECT_FALSE(m_store->resume(LocationId{42}, "1", Predecessor::gone));
}

TEST_P(BlobStoreContract, LeavesNothingOfAnAbandonedUpload) {
  for (const bool resumable : {false, true}) {
    const auto upload = begin(resumable);
    ASSERT_TRUE(upload->write(as_bytes("x")));
    if (resumable) {
      ASSERT_TRUE(upload->suspend());
    }
    EXPECT_TRUE(upload->abandon());
  }
  if (!m_ground->is_tidied_at_once()) {
    EXPECT_TRUE(m_store->remove({LocationId{42}, LocationKind::upload, {}, {}}));
  }
  EXPECT_TRUE(listed().empty());
  EXPECT_TRUE(listed(true).empty());
}

TEST_P(BlobStoreContract, GoesOnAfterARestart) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("one ")));
  const auto token = upload->suspend();
  ASSERT_TRUE(token);
  EXPECT_LE(token->size(), 4096U);
  upload.reset();
  EXPECT_EQ(listed(true).size(), 1U);
  EXPECT_TRUE(listed(true).contains(42));
  restart();
  const auto resumed = m_store->resume(LocationId{42}, *token, Predecessor::gone);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ((*resumed)->position(), 4U);
  ASSERT_TRUE((*resumed)->write(as_bytes("two")));
  const auto location = (*resumed)->finish();
  ASSERT_TRUE(location);
  EXPECT_EQ(read(*location), "one two");
}

TEST_P(BlobStoreContract, DropsWhatWasWrittenAfterTheToken) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("kept")));
  const auto token = upload->suspend();
  ASSERT_TRUE(upload->write(as_bytes(" and lost")));
  upload.reset();
  restart();
  const auto resumed = m_store->resume(LocationId{42}, *token, Predecessor::gone);
  ASSERT_TRUE(resumed);
  EXPECT_EQ((*resumed)->position(), 4U);
  EXPECT_EQ(read(*(*resumed)->finish()), "kept");
}

TEST_P(BlobStoreContract, GoesBackToAnOlderToken) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("first")));
  const auto older = upload->suspend();
  ASSERT_TRUE(upload->write(as_bytes(" second")));
  ASSERT_TRUE(upload->suspend());
  upload.reset();
  const auto resumed = m_store->resume(LocationId{42}, *older, Predecessor::gone);
  ASSERT_TRUE(resumed);
  EXPECT_EQ((*resumed)->position(), 5U);
  ASSERT_TRUE((*resumed)->write(as_bytes("!")));
  EXPECT_EQ(read(*(*resumed)->finish()), "first!");
}

TEST_P(BlobStoreContract, GoesOnAfterAFinishThatNobodyHeardOf) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("kept")));
  const auto token = upload->suspend();
  ASSERT_TRUE(upload->write(as_bytes(" and the rest")));
  ASSERT_TRUE(upload->finish());
  upload.reset();
  restart();
  const auto resumed = m_store->resume(LocationId{42}, *token, Predecessor::gone);
  ASSERT_TRUE(resumed);
  EXPECT_EQ((*resumed)->position(), 4U);
  ASSERT_TRUE((*resumed)->write(as_bytes(" again")));
  EXPECT_EQ(read(*(*resumed)->finish()), "kept again");
  if (m_ground->is_tidied_at_once()) {
    EXPECT_EQ(objects(), 1);
  }
}

TEST_P(BlobStoreContract, DiscardsAFinishThatNobodyHeardOf) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("x")));
  const auto token = upload->suspend();
  ASSERT_TRUE(upload->finish());
  EXPECT_TRUE(m_store->remove({LocationId{42}, LocationKind::upload, *token, {}}));
  EXPECT_TRUE(listed().empty());
  EXPECT_EQ(m_store->resume(LocationId{42}, *token, Predecessor::gone).error().failure, Failure::not_found);
}

TEST_P(BlobStoreContract, KeepsASuspendedUploadThatIsResumedAndDropped) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("kept")));
  const auto token = upload->suspend();
  upload.reset();
  {
    const auto dropped = m_store->resume(LocationId{42}, *token, Predecessor::gone);
    ASSERT_TRUE(dropped);
    ASSERT_TRUE((*dropped)->write(as_bytes(" lost")));
  }
  const auto resumed = m_store->resume(LocationId{42}, *token, Predecessor::gone);
  ASSERT_TRUE(resumed);
  EXPECT_EQ((*resumed)->position(), 4U);
  EXPECT_EQ(read(*(*resumed)->finish()), "kept");
}

TEST_P(BlobStoreContract, SuspendsAtTheVeryBeginning) {
  auto upload = begin(true);
  const auto token = upload->suspend();
  ASSERT_TRUE(token);
  upload.reset();
  const auto resumed = m_store->resume(LocationId{42}, *token, Predecessor::gone);
  ASSERT_TRUE(resumed);
  EXPECT_EQ((*resumed)->position(), 0U);
}

TEST_P(BlobStoreContract, DiscardsASuspendedUpload) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("x")));
  const auto token = upload->suspend();
  upload.reset();
  EXPECT_TRUE(m_store->remove({LocationId{42}, LocationKind::upload, *token, {}}));
  EXPECT_EQ(m_store->resume(LocationId{42}, *token, Predecessor::gone).error().failure, Failure::not_found);
  EXPECT_TRUE(m_store->remove({LocationId{42}, LocationKind::upload, *token, {}}));
}

TEST_P(BlobStoreContract, RefusesTokensThatAreNone) {
  auto upload = begin(true);
  ASSERT_TRUE(upload->write(as_bytes("x")));
  const auto token = upload->suspend();
  upload.reset();
  for (const auto& other : {std::string("junk"), *token + "x", *token + "999", std::string("-1"), std::string()})
    EXPECT_FALSE(m_store->resume(LocationId{42}, other, Predecessor::gone)) << other;
  EXPECT_TRUE(m_store->resume(LocationId{42}, *token, Predecessor::gone));
}

TEST_P(BlobStoreContract, BeginsAnewWhereAnUploadWasLeft) {
  auto left = begin(true);
  ASSERT_TRUE(left->write(as_bytes("left over")));
  ASSERT_TRUE(left->suspend());
  left.reset();
  restart();
  const auto upload = begin(true);
  EXPECT_EQ(upload->position(), 0U);
  ASSERT_TRUE(upload->write(as_bytes("new")));
  EXPECT_EQ(read(*upload->finish()), "new");
}

TEST_P(BlobStoreContract, ListsWhatIsFinishedWithItsSize) {
  put("a", LocationId{1});
  put("bb", LocationId{5000});
  put("ccc", LocationId{1ULL << 40});
  EXPECT_EQ(listed(), (std::map<std::uint64_t, std::uint64_t>{{1, 1}, {5000, 2}, {1ULL << 40, 3}}));
}

TEST_P(BlobStoreContract, GivesBackSmallBlobs) {
  const std::string largest(small_bytes_max, 'l');
  const std::array<SmallBlob, 3> blobs{
      {{LocationId{1}, as_bytes("one")}, {LocationId{2}, {}}, {LocationId{3}, as_bytes(largest)}}};
  const auto first = m_store->put_small(blobs);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->size(), 3U);
  const SmallBlob later{LocationId{4}, as_bytes("later")};
  const auto second = m_store->put_small({&later, 1});
  ASSERT_TRUE(second);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read(first->at(0)), "one");
    EXPECT_EQ(read(first->at(1)), "");
    EXPECT_EQ(read(first->at(2)), largest);
    EXPECT_EQ(read(second->at(0)), "later");
    EXPECT_EQ(second->at(0).id, LocationId{4});
    EXPECT_EQ(second->at(0).range.length, 5U);
    EXPECT_EQ(read(first->at(0), {1, 2}), "ne");
    EXPECT_EQ(read(first->at(0), {1, 3}), "(corrupt)");  // not the next one's
    restart();
  }
}

TEST_P(BlobStoreContract, TakesManySmallBlobsAtOnce) {
  std::vector<std::thread> threads;
  std::array<std::vector<Location>, 16> locations;
  const auto text = [](std::size_t thread, std::size_t n) {
    return std::string(1 + (thread * 31 + n * 7) % 5000, static_cast<char>('a' + thread));
  };
  for (std::size_t i = 0; i < locations.size(); ++i)
    threads.emplace_back([&, i] {
      for (std::size_t n = 0; n < 20; ++n) {
        const auto content = text(i, n);
        const SmallBlob blob{LocationId{1 + i * 20 + n}, as_bytes(content)};
        auto put = m_store->put_small({&blob, 1});
        ASSERT_TRUE(put) << put.error().message;
        locations[i].push_back(put->front());
      }
    });
  for (auto& thread : threads) thread.join();
  restart();
  for (std::size_t i = 0; i < locations.size(); ++i)
    for (std::size_t n = 0; n < 20; ++n) EXPECT_EQ(read(locations[i].at(n)), text(i, n));
}

TEST_P(BlobStoreContract, TakesACopyUnderTheNameThatItHadElsewhere) {
  for (const std::string key : {"raw/0/000000000000004d", "raw/000000000000004e.0123456789abcdef"}) {
    const LocationId id{key.ends_with("4d") ? 77U : 78U};
    const Location elsewhere{id, LocationKind::raw, key, {0, 11}};
    EXPECT_EQ(read(elsewhere), "(not_found)");
    for (const std::string_view text : {"hello world", "HELLO world"}) {  // the second takes the place of the first
      const auto copy = m_store->begin_copy(elsewhere);
      ASSERT_TRUE(copy) << copy.error().message;
      ASSERT_TRUE((*copy)->write(as_bytes(text)));
      ASSERT_TRUE((*copy)->finish());
      EXPECT_EQ(read(elsewhere), text);
      restart();
      EXPECT_EQ(read(elsewhere), text);
      EXPECT_TRUE(m_store->probe(elsewhere));
      EXPECT_TRUE(m_store->is_finished(id));
    }
    EXPECT_EQ(objects(), 1);
    EXPECT_TRUE(m_store->remove(elsewhere));
    EXPECT_EQ(objects(), 0);
  }
}

TEST_P(BlobStoreContract, LeavesNothingOfACopyThatWasNotFinished) {
  const Location elsewhere{LocationId{77}, LocationKind::raw, "raw/0/000000000000004d", {0, 11}};
  {
    const auto copy = m_store->begin_copy(elsewhere);
    ASSERT_TRUE(copy && (*copy)->write(as_bytes("hello")));
  }
  EXPECT_EQ(read(elsewhere), "(not_found)");
}

TEST_P(BlobStoreContract, TakesACopyOfAWholePack) {
  const auto elsewhere = GetParam().make();
  const auto other = elsewhere->open();
  const std::string one = "one", two = "and two";
  const std::array blobs{SmallBlob{LocationId{1}, as_bytes(one)}, SmallBlob{LocationId{2}, as_bytes(two)}};
  const auto put = other->put_small(blobs);
  ASSERT_TRUE(put);
  if (put->front().kind != LocationKind::pack) GTEST_SKIP() << "this store keeps small blobs like others";
  const auto from = elsewhere->open();  // to which nothing is added any more
  const auto size = from->sealed_size(put->front().key);
  ASSERT_TRUE(size && *size) << put->front().key;
  const Location pack{LocationId{}, LocationKind::old_pack, put->front().key, {0, **size}};
  const auto bytes = from->open(pack, pack.range);
  ASSERT_TRUE(bytes) << bytes.error().message;
  std::vector<std::byte> buffer(**size);
  ASSERT_EQ(read_some(*bytes, buffer, 0), buffer.size());
  for (int i = 0; i < 2; ++i) {
    const auto copy = m_store->begin_copy(pack);
    ASSERT_TRUE(copy) << copy.error().message;
    ASSERT_TRUE((*copy)->write(buffer));
    ASSERT_TRUE((*copy)->finish());
    EXPECT_EQ(read(put->at(0)), one);
    EXPECT_EQ(read(put->at(1)), two);
  }
  restart();
  EXPECT_EQ(read(put->at(1)), two);
  EXPECT_EQ(m_store->sealed_size(pack.key).value(), *size);
}

TEST_P(BlobStoreContract, CopiesOnlyUnderNamesThatAStoreGives) {
  for (const std::string key : {"packs/../store.id", "packs/", "store.id", "packs/short", "packs/0123456789abcdeg"})
    EXPECT_FALSE(m_store->begin_copy({LocationId{}, LocationKind::old_pack, key, {0, 10}})) << key;
}

TEST_P(BlobStoreContract, HasAnIdentityThatOutlivesAProcess) {
  const auto identity = m_store->identity().value();
  EXPECT_FALSE(identity.empty());
  restart();
  EXPECT_EQ(m_store->identity(), identity);
  EXPECT_TRUE(m_store->space());
}

TEST_P(BlobStoreContract, TakesManyUploadsAtOnce) {
  std::vector<std::thread> threads;
  std::array<std::optional<Location>, 16> locations;
  for (std::size_t i = 0; i < locations.size(); ++i)
    threads.emplace_back([&, i] {
      const auto upload = begin(i % 2 == 0, LocationId{100 + i});
      for (int n = 0; n < 50; ++n) EXPECT_TRUE(upload->write(as_bytes(std::string(1000, static_cast<char>('a' + i)))));
      if (auto location = upload->finish()) locations[i] = *location;
    });
  for (auto& thread : threads) thread.join();
  for (std::size_t i = 0; i < locations.size(); ++i) {
    ASSERT_TRUE(locations[i]) << i;
    EXPECT_EQ(read(*locations[i]), std::string(50'000, static_cast<char>('a' + i))) << i;
  }
  EXPECT_EQ(listed().size(), locations.size());
}

}  // namespace
}  // namespace slipway::blob
