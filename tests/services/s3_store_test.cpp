// The store of blobs at a real object store: what every store promises, and what is this one's own affair.

#include "blob/s3_upload.hpp"
#include "contract/blob_store_contract.hpp"
#include "s3_place.hpp"
#include "support/temp_directory.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace slipway::blob {
namespace {

constexpr std::uint64_t part_bytes = 5U << 20;

/// A prefix of its own in one bucket, for making one takes a second.
class S3Ground final : public Ground {
public:
  std::unique_ptr<BlobStore> open() override { return open_s3(); }
  bool is_tidied_at_once() const override { return false; }

  std::unique_ptr<S3Store> open_s3() {
    return std::move(
        S3Store::open(bucket(), {.prefix = prefix, .spool = m_spool.path(), .part_bytes = part_bytes}).value());
  }
  static s3::Bucket& bucket() {
    static s3::Bucket bucket(s3::made_bucket(), s3::test_keys(), system_clock());
    return bucket;
  }
  const std::string prefix = "some/" + unique_hex() + "/";

private:
  test::TempDirectory m_spool;
};

INSTANTIATE_TEST_SUITE_P(Stores, BlobStoreContract,
                         testing::Values(Kind{"S3",
                                              [] { return std::unique_ptr<Ground>(std::make_unique<S3Ground>()); }}),
                         [](const auto& tested) { return std::string(tested.param.name); });

class S3StoreTest : public testing::Test {
protected:
  static constexpr LocationId id{42};

  /// Text that differs everywhere.
  static std::string text(std::size_t size) {
    std::string out;
    for (std::size_t at = 0; out.size() < size; ++at) out += fmt::format("{:015x}\n", at);
    out.resize(size);
    return out;
  }

  std::string read(const Location& location) {
    const auto slice = m_store->open(location, {0, location.range.length});
    if (!slice) return std::string("(") + name_of(slice.error().failure) + ")";
    std::string out(slice->range.length, '\0');
    const auto n = read_some(*slice, std::as_writable_bytes(std::span(out)), 0);
    return n ? out.substr(0, *n) : std::string("(") + name_of(n.error().failure) + ")";
  }

  std::unique_ptr<Upload> resume(const ResumeToken& token, Predecessor predecessor = Predecessor::gone) {
    auto upload = m_store->resume(id, token, predecessor);
    EXPECT_TRUE(upload) << upload.error().message;
    return std::move(*upload);
  }

  /// All keys, without prefix and random parts.
  std::vector<std::string> keys() {
    std::vector<std::string> out;
    EXPECT_TRUE(S3Ground::bucket().list(m_ground.prefix, [&](const s3::Object& object) {
      const auto key = object.key.substr(m_ground.prefix.size());
      out.push_back(key.substr(0, key.find('.', key.find('/'))));
    }));
    return out;
  }
  int multiparts() {
    int count = 0;
    EXPECT_TRUE(S3Ground::bucket().list_multiparts(m_ground.prefix, [&](const s3::Multipart&) { ++count; }));
    return count;
  }
  /// Once the catalog has the location.
  void expect_only(const Location& location) {
    EXPECT_TRUE(m_store->remove({LocationId{7}, LocationKind::leftovers, location.leftovers, {}}));
    EXPECT_THAT(keys(), testing::ElementsAre("raw/000000000000002a", "store.id"));
    EXPECT_EQ(multiparts(), 0);
  }

  S3Ground m_ground;
  std::unique_ptr<S3Store> m_store = m_ground.open_s3();
};

TEST_F(S3StoreTest, PutsWhatIsLargeInParts) {
  const auto bytes = text(2 * part_bytes + 1000);
  const auto upload = m_store->begin(id, false).value();
  for (std::size_t at = 0; at < bytes.size(); at += 700'000)
    ASSERT_TRUE(upload->write(as_bytes(std::string_view(bytes).substr(at, 700'000))));
  EXPECT_EQ(multiparts(), 1);
  const auto location = upload->finish().value();
  EXPECT_EQ(read(location), bytes);
  expect_only(location);
}

TEST_F(S3StoreTest, EndsAtTheEndOfAPart) {
  const auto bytes = text(2 * part_bytes);
  const auto upload = m_store->begin(id, true).value();
  ASSERT_TRUE(upload->write(as_bytes(bytes)));
  const auto location = upload->finish().value();
  EXPECT_EQ(read(location), bytes);
  expect_only(location);
}

TEST_F(S3StoreTest, GoesOnWithPartsAndWhatIsTooShortForOne) {
  const auto bytes = text(3 * part_bytes + 3000);
  auto upload = m_store->begin(id, true).value();
  std::size_t at = 0;
  for (const std::size_t size : {1000UL, part_bytes, part_bytes - 1000, 500UL, part_bytes + 2500UL}) {
    ASSERT_TRUE(upload->write(as_bytes(std::string_view(bytes).substr(at, size))));
    at += size;
    const auto token = upload->suspend();
    ASSERT_TRUE(token) << token.error().message;
    upload.reset();
    m_store = m_ground.open_s3();
    upload = resume(*token);
    ASSERT_EQ(upload->position(), at);
  }
  ASSERT_EQ(at, bytes.size());
  const auto location = upload->finish().value();
  EXPECT_EQ(read(location), bytes);
  expect_only(location);
}

TEST_F(S3StoreTest, PassesOverPartsThatNoTokenTellsOf) {
  const auto bytes = text(2 * part_bytes + 10);
  auto upload = m_store->begin(id, true).value();
  ASSERT_TRUE(upload->write(as_bytes(bytes).first(part_bytes + 7)));
  const auto token = upload->suspend().value();
  ASSERT_TRUE(upload->write(as_bytes(std::string(2 * part_bytes, '?'))));
  upload.reset();
  upload = resume(token);
  EXPECT_EQ(upload->position(), part_bytes + 7);
  ASSERT_TRUE(upload->write(as_bytes(bytes).subspan(part_bytes + 7)));
  const auto location = upload->finish().value();
  EXPECT_EQ(read(location), bytes);
  expect_only(location);
}

TEST_F(S3StoreTest, GoesOnAfterAFinishInPartsThatNobodyHeardOf) {
  const auto bytes = text(2 * part_bytes + 10);
  auto upload = m_store->begin(id, true).value();
  ASSERT_TRUE(upload->write(as_bytes(bytes).first(part_bytes + 7)));
  const auto token = upload->suspend().value();
  ASSERT_TRUE(upload->write(as_bytes(std::string(part_bytes, '?'))));
  ASSERT_TRUE(upload->finish());
  upload.reset();
  upload = resume(token);
  EXPECT_EQ(upload->position(), part_bytes + 7);
  const auto again = upload->suspend().value();
  upload = resume(again);
  ASSERT_TRUE(upload->write(as_bytes(bytes).subspan(part_bytes + 7)));
  EXPECT_EQ(read(upload->finish().value()), bytes);
}

TEST_F(S3StoreTest, ReadsPartsForADigestThatNobodyAnnounced) {
  const auto bytes = text(part_bytes + 10);
  const auto upload = m_store->begin(id, true).value();
  ASSERT_TRUE(upload->write(as_bytes(bytes)));
  std::string back(bytes.size(), '\0');
  const auto out = std::as_writable_bytes(std::span(back));
  EXPECT_EQ(upload->read(out.first(100), 0), 100U);
  EXPECT_EQ(upload->read(out.subspan(100), 100), bytes.size() - 100);
  EXPECT_EQ(upload->read(out, bytes.size()), 0U);
  EXPECT_EQ(back, bytes);
  EXPECT_EQ(read(upload->finish().value()), bytes);
}

TEST_F(S3StoreTest, LeavesNothingOfWhatIsRemoved) {
  auto upload = m_store->begin(id, true).value();
  ASSERT_TRUE(upload->write(as_bytes(text(part_bytes + 10))));
  const auto token = upload->suspend().value();
  ASSERT_TRUE(m_store->begin(id, true).value()->suspend());
  upload.reset();
  const auto other = m_store->begin(LocationId{43}, true).value();
  ASSERT_TRUE(other->suspend());
  EXPECT_TRUE(m_store->remove({id, LocationKind::upload, token, {}}));
  EXPECT_EQ(multiparts(), 0);
  EXPECT_THAT(keys(), testing::ElementsAre("store.id"));
}

TEST_F(S3StoreTest, LetsNobodySpoilWhatAnotherFinishes) {
  const auto bytes = text(2 * part_bytes + 10);
  for (const std::size_t begun : {std::size_t{7}, part_bytes + 7}) {
    for (const bool is_first : {true, false}) {
      auto upload = m_store->begin(id, true).value();
      ASSERT_TRUE(upload->write(as_bytes(bytes).first(begun)));
      const auto token = upload->suspend().value();
      const auto zombie = resume(token);
      ASSERT_TRUE(zombie->write(as_bytes(std::string(part_bytes, '?'))));
      const auto heir = resume(token, Predecessor::maybe_there);
      EXPECT_EQ(heir->position(), begun);
      if (is_first) static_cast<void>(zombie->finish());
      ASSERT_TRUE(heir->write(as_bytes(bytes).subspan(begun)));
      const auto location = heir->finish();
      ASSERT_TRUE(location) << location.error().message;
      if (!is_first) static_cast<void>(zombie->finish());
      EXPECT_EQ(read(*location), bytes);
      expect_only(*location);  // whatever the zombie did
      EXPECT_TRUE(m_store->remove(*location));
    }
  }
}

TEST_F(S3StoreTest, GoesOnAgainWhereAnHeirDied) {
  const auto bytes = text(2 * part_bytes + 10);
  auto upload = m_store->begin(id, true).value();
  ASSERT_TRUE(upload->write(as_bytes(bytes).first(part_bytes + 7)));
  const auto token = upload->suspend().value();
  for (int heir = 0; heir < 3; ++heir) {
    const auto dead = resume(token, Predecessor::maybe_there);
    ASSERT_TRUE(dead->write(as_bytes(std::string(part_bytes, '?'))));
    ASSERT_TRUE(dead->finish());
  }
  upload = resume(token, Predecessor::maybe_there);
  ASSERT_TRUE(upload->write(as_bytes(bytes).subspan(part_bytes + 7)));
  EXPECT_EQ(read(upload->finish().value()), bytes);
}

TEST_F(S3StoreTest, TakesNoPrefixThatHoldsSomethingElse) {
  ASSERT_TRUE(S3Ground::bucket().put("other/photo.jpg", {as_bytes("x"), {}}));
  const test::TempDirectory spool;
  const auto refused = S3Store::open(S3Ground::bucket(), {.prefix = "other/", .spool = spool.path()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::invalid);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("choose another place"));
}

TEST_F(S3StoreTest, IsOneForAllWhoOpenItAtOnce) {
  const test::TempDirectory spool;
  std::array<std::string, 4> identities;
  std::vector<std::thread> threads;
  for (auto& identity : identities)
    threads.emplace_back([&] {
      const auto store = S3Store::open(S3Ground::bucket(), {.prefix = "fresh/", .spool = spool.path()});
      if (store) identity = (*store)->identity().value();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(identities.front().size(), 32U);
  EXPECT_THAT(identities, testing::Each(identities.front()));
}

}  // namespace
}  // namespace slipway::blob
