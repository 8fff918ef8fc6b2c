// What the catalog promises about itself and about repositories.

#include "catalog_contract.hpp"

#include <set>
#include <thread>

namespace slipway::catalog {
namespace {

using Names = std::vector<std::string>;

class CatalogItself : public CatalogContract {};
INSTANTIATE_FOR_DATABASES(CatalogItself);

TEST_P(CatalogItself, KeepsSettings) {
  EXPECT_EQ(m_catalog->setting("admin_token").value(), std::nullopt);
  ASSERT_TRUE(m_catalog->set_setting("admin_token", "one"));
  EXPECT_EQ(m_catalog->setting("admin_token").value(), "one");
  ASSERT_TRUE(m_catalog->set_setting("admin_token", "two"));
  reopen();
  EXPECT_EQ(m_catalog->setting("admin_token").value(), "two");
}

TEST_P(CatalogItself, HasAnIdentityThatStays) {
  const auto identity = m_catalog->setting("catalog_id").value();
  ASSERT_TRUE(identity);
  reopen();
  EXPECT_EQ(m_catalog->setting("catalog_id").value(), identity);
}

TEST_P(CatalogItself, BelongsToOneStore) {
  EXPECT_TRUE(m_catalog->pair_with_store("store-1"));
  EXPECT_TRUE(m_catalog->pair_with_store("store-1"));
  reopen();
  EXPECT_TRUE(m_catalog->pair_with_store("store-1"));
  const auto other = m_catalog->pair_with_store("store-2");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().failure, Failure::conflict);
  EXPECT_NE(other.error().message.find("store-1"), std::string::npos);
  EXPECT_NE(other.error().message.find("store-2"), std::string::npos);
}

TEST_P(CatalogItself, NeverGivesALocationIdTwice) {
  std::set<std::uint64_t> seen;
  for (int start = 0; start < 3; ++start) {
    for (int i = 0; i < 1500; ++i)  // more than are reserved at once
      EXPECT_TRUE(seen.insert(number_of(m_catalog->next_location().value())).second);
    reopen();
  }
  EXPECT_FALSE(seen.contains(0));
}

TEST_P(CatalogItself, PassesOverLocationIdsThatTheStoreHas) {
  std::set<blob::LocationId> finished;
  const auto skip = [&](std::uint64_t used) {
    return m_catalog->skip_locations(blob::LocationId{used},
                                     [&](blob::LocationId id) { return finished.contains(id); });
  };
  EXPECT_EQ(skip(0), false);
  const auto first = number_of(m_catalog->next_location().value());
  EXPECT_EQ(skip(first), false) << "it will not be given out again anyway";
  finished.insert(m_catalog->begin_upload("a", "alice", 2)->location);
  const auto open = m_catalog->begin_upload("a", "alice", 2).value();
  EXPECT_EQ(skip(70'000), true);
  EXPECT_EQ(m_catalog->totals()->uploads, 1U) << "the other may have become a blob since";
  EXPECT_TRUE(m_catalog->find_upload("a", open.id));
  EXPECT_GT(number_of(m_catalog->next_location().value()), 70'000U);
  reopen();
  EXPECT_EQ(skip(70'000), false);
  EXPECT_GT(number_of(m_catalog->next_location().value()), 70'000U);
}

TEST_P(CatalogItself, NeverGivesALocationIdTwiceToSeveralThreads) {
  std::array<std::vector<std::uint64_t>, 4> taken;
  std::vector<std::thread> threads;
  for (auto& mine : taken)
    threads.emplace_back([&] {
      for (int i = 0; i < 600; ++i) mine.push_back(number_of(m_catalog->next_location().value()));
    });
  for (auto& thread : threads) thread.join();
  std::set<std::uint64_t> seen;
  for (const auto& mine : taken) seen.insert(mine.begin(), mine.end());
  EXPECT_EQ(seen.size(), 2400U);
}

TEST_P(CatalogItself, RefusesASchemaThatNeedsANewerBinary) {
  EXPECT_GE(m_catalog->schema_version().value(), 1);
  auto pretend = [&, version = std::int64_t{1000}](std::int64_t oldest_reader) mutable {
    ASSERT_TRUE(m_database->write([&](sql::Session& session) -> Result<> {
      session.run("INSERT INTO migration (version, oldest_reader, applied_at) VALUES ($1, $2, 0)",
                  {++version, oldest_reader});
      return {};
    }));
  };
  pretend(1);  // expanded only: this binary may still run
  EXPECT_TRUE(Catalog::open(*m_database, m_clock));
  pretend(999);
  const auto refused = Catalog::open(*m_database, m_clock);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::invalid);
  EXPECT_NE(refused.error().message.find("newer"), std::string::npos);
  pretend(2);  // a later version takes nothing back
  EXPECT_FALSE(Catalog::open(*m_database, m_clock));
}

TEST_P(CatalogItself, OpensForReadingOnly) {
  add_blob("a", "x");
  m_catalog.reset();
  m_database->set_read_only(true);
  const auto opened = Catalog::open(*m_database, m_clock, true);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE((*opened)->has_repository("a").value());
}

TEST_P(CatalogItself, RefusesEveryWriteWhileReadOnly) {
  const auto digest = add_blob("a", "x");
  const auto upload = m_catalog->begin_upload("a", "alice", 10).value();
  put("a", manifest("m"), {"latest"});
  m_catalog->set_read_only(true);
  EXPECT_TRUE(m_catalog->is_read_only());
  const auto refused = [](const auto& result) { return !result && result.error().failure == Failure::read_only; };
  EXPECT_TRUE(refused(m_catalog->set_setting("x", "y")));
  EXPECT_TRUE(refused(m_catalog->adopt_blob("b", digest, {})));
  EXPECT_TRUE(refused(m_catalog->mount_blob("b", "a", digest)));
  EXPECT_TRUE(refused(m_catalog->commit_blob("b", {digest_of({})}, {}, "store", {}, false)));
  EXPECT_TRUE(refused(m_catalog->remove_blob("a", digest)));
  EXPECT_TRUE(refused(m_catalog->put_manifest("a", manifest("n"), {}, "alice", true)));
  EXPECT_TRUE(refused(m_catalog->remove_manifest("a", manifest("m").digest, "alice")));
  EXPECT_TRUE(refused(m_catalog->remove_tag("a", "latest", "alice")));
  EXPECT_TRUE(refused(m_catalog->remove_repository("a", "alice")));
  EXPECT_TRUE(refused(m_catalog->begin_upload("a", "alice", 10)));
  EXPECT_TRUE(refused(m_catalog->claim_upload("a", upload.id)));
  EXPECT_TRUE(refused(m_catalog->save_upload(upload, 0)));
  EXPECT_TRUE(refused(m_catalog->remove_upload(upload.id)));
  EXPECT_TRUE(refused(m_catalog->forget_deletion(blob::LocationId{1})));
  EXPECT_EQ(tag("a", "latest"), "m");
  m_catalog->set_read_only(false);
  EXPECT_TRUE(m_catalog->remove_tag("a", "latest", "alice"));
}

TEST_P(CatalogItself, CountsWhatItHolds) {
  EXPECT_EQ(m_catalog->totals()->repositories, 0U);
  add_blob("a", "12345");
  add_blob("b", "12345");  // the same content
  add_blob("b", "123");
  put("a", manifest("m"), {"x", "y"});
  ASSERT_TRUE(m_catalog->begin_upload("c", "alice", 10));
  const auto totals = m_catalog->totals().value();
  EXPECT_EQ(totals.repositories, 3U);
  EXPECT_EQ(totals.tags, 2U);
  EXPECT_EQ(totals.manifests, 1U);
  EXPECT_EQ(totals.blobs, 2U);
  EXPECT_EQ(totals.blob_bytes, 8U);
  EXPECT_EQ(totals.uploads, 1U);
  EXPECT_EQ(totals.deletions, 1U);
}

TEST_P(CatalogItself, KnowsWhenItLastChanged) {
  EXPECT_EQ(m_catalog->latest_change().value(), from_micros(0));
  m_clock.advance(std::chrono::hours(1));
  add_blob("a", "x");
  EXPECT_EQ(m_catalog->latest_change().value(), m_clock.now());
  const auto then = m_clock.now();
  m_clock.advance(std::chrono::hours(1));
  static_cast<void>(m_catalog->totals());
  EXPECT_EQ(m_catalog->latest_change().value(), then);
}

class CatalogRepositories : public CatalogContract {};
INSTANTIATE_FOR_DATABASES(CatalogRepositories);

TEST_P(CatalogRepositories, ComeIntoBeingWithTheirFirstContent) {
  EXPECT_FALSE(m_catalog->has_repository("a").value());
  EXPECT_EQ(m_catalog->repository("a").error().failure, Failure::not_found);
  m_clock.advance(std::chrono::minutes(1));
  add_blob("a", "12345");
  EXPECT_TRUE(m_catalog->has_repository("a").value());
  put("a", manifest("m"), {"latest", "v1"});
  const auto record = m_catalog->repository("a").value();
  EXPECT_EQ(record.name, "a");
  EXPECT_EQ(record.kind, "oci");
  EXPECT_EQ(record.created_at, m_clock.now());
  EXPECT_EQ(record.tags, 2U);
  EXPECT_EQ(record.manifests, 1U);
  EXPECT_EQ(record.blobs, 1U);
  EXPECT_EQ(record.blob_bytes, 5U);
}

TEST_P(CatalogRepositories, ArePagedInByteOrder) {
  for (const auto* name : {"b", "a/b", "a", "a-b", "ab", "a.b", "a_b", "a0"}) add_blob(name, "x");
  const Names all = {"a", "a-b", "a.b", "a/b", "a0", "a_b", "ab", "b"};
  EXPECT_EQ(m_catalog->repositories("", 100).value(), all);
  Names paged;
  for (;;) {
    const auto page = m_catalog->repositories(paged.empty() ? "" : paged.back(), 3).value();
    if (page.empty()) break;
    EXPECT_LE(page.size(), 3U);
    paged.insert(paged.end(), page.begin(), page.end());
  }
  EXPECT_EQ(paged, all);
  EXPECT_EQ(m_catalog->repositories("a.", 2).value(), (Names{"a.b", "a/b"}));  // `after` need not exist
  EXPECT_EQ(m_catalog->repositories("zzz", 2).value(), Names{});
  EXPECT_EQ(m_catalog->repositories("", 0).value(), Names{});
}

TEST_P(CatalogRepositories, GoWithAllTheirNames) {
  const auto digest = add_blob("gone", "x");
  add_blob("kept", "x");
  const auto put_digest = put("gone", manifest("m"), {"latest"});
  put("kept", manifest("m"), {"latest"});
  // Whatever was looked up before must not be remembered.
  EXPECT_EQ(tag("gone", "latest"), "m");
  EXPECT_EQ(manifest_at("gone", put_digest), "m");
  EXPECT_NE(blob_at("gone", digest), "(not_found)");
  const auto begun = m_catalog->begin_upload("gone", "alice", 10).value();
  auto upload = m_catalog->claim_upload("gone", begun.id).value();
  upload.token = std::string("\5\0\0\0token", 9);
  ASSERT_TRUE(m_catalog->save_upload(upload, 0));

  const auto unwanted = m_catalog->remove_repository("gone", "bob");

  ASSERT_TRUE(unwanted) << unwanted.error().message;
  ASSERT_EQ(unwanted->size(), 1U);
  EXPECT_EQ(unwanted->front().id, upload.location);
  EXPECT_EQ(unwanted->front().kind, blob::LocationKind::upload);
  EXPECT_EQ(unwanted->front().key, "token");
  EXPECT_FALSE(m_catalog->has_repository("gone").value());
  EXPECT_EQ(tag("gone", "latest"), "(not_found)");
  EXPECT_EQ(manifest_at("gone", put_digest), "(not_found)");
  EXPECT_EQ(blob_at("gone", digest), "(not_found)");
  EXPECT_EQ(m_catalog->find_upload("gone", upload.id).error().failure, Failure::not_found);
  EXPECT_EQ(tag("kept", "latest"), "m");
  EXPECT_NE(blob_at("kept", digest), "(not_found)");
  const auto history = m_catalog->tag_history("gone", "", 10).value();  // outlives the repository
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].who, "bob");
  EXPECT_EQ(history[0].digest, std::nullopt);
}

TEST_P(CatalogRepositories, CanBeRemovedOnceOnly) {
  EXPECT_EQ(m_catalog->remove_repository("a", "alice").error().failure, Failure::not_found);
  add_blob("a", "x");
  EXPECT_TRUE(m_catalog->remove_repository("a", "alice"));
  EXPECT_EQ(m_catalog->remove_repository("a", "alice").error().failure, Failure::not_found);
  add_blob("a", "x");  // and made again
  EXPECT_EQ(m_catalog->repository("a")->blobs, 1U);
}

TEST_P(CatalogRepositories, LeaveUnreachableContentBehind) {
  EXPECT_EQ(m_catalog->unreachable()->blobs, 0U);
  add_blob("a", "12345");
  add_blob("a", "shared");
  add_blob("b", "shared");
  put("a", manifest("manifest"), {"latest"});
  EXPECT_EQ(m_catalog->unreachable()->blobs, 0U);
  ASSERT_TRUE(m_catalog->remove_repository("a", "alice"));
  const auto left = m_catalog->unreachable().value();
  EXPECT_EQ(left.blobs, 1U);
  EXPECT_EQ(left.blob_bytes, 5U);
  EXPECT_EQ(left.manifests, 1U);
  EXPECT_EQ(left.manifest_bytes, 8U);
}

}  // namespace
}  // namespace slipway::catalog
