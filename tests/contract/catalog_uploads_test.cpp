// What the catalog promises about upload sessions.

#include "catalog_contract.hpp"

#include <set>

namespace slipway::catalog {
namespace {

class CatalogUploads : public CatalogContract {
protected:
  Upload begin(const std::string& repository = "a") {
    auto upload = m_catalog->begin_upload(repository, "alice", 100);
    EXPECT_TRUE(upload) << upload.error().message;
    return *upload;
  }
};
INSTANTIATE_FOR_DATABASES(CatalogUploads);

TEST_P(CatalogUploads, BeginWithALocationOfTheirOwn) {
  const auto first = begin();
  const auto second = begin();
  EXPECT_NE(first.id, second.id);
  EXPECT_NE(first.location, second.location);
  EXPECT_EQ(first.id.size(), 32U);
  EXPECT_EQ(first.position, 0U);
  EXPECT_EQ(first.started_at, m_clock.now());
  EXPECT_TRUE(m_catalog->has_repository("a").value());
}

TEST_P(CatalogUploads, AreFoundByRepositoryAndIdTogether) {
  const auto upload = begin();
  begin("b");
  const auto found = m_catalog->find_upload("a", upload.id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->location, upload.location);
  EXPECT_EQ(found->repository, "a");
  EXPECT_EQ(m_catalog->find_upload("b", upload.id).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->find_upload("a", "0123").error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->find_upload("a", "").error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->find_upload("a", "\xff\x01").error().failure, Failure::not_found);
}

TEST_P(CatalogUploads, KeepWhatWasSaved) {
  auto upload = begin();
  upload.position = 12345678901;
  upload.token = std::string("tok\0en\xff", 7);
  ASSERT_TRUE(m_catalog->save_upload(upload, 0));
  reopen();
  const auto found = m_catalog->find_upload("a", upload.id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->position, 12345678901U);
  EXPECT_EQ(found->token, upload.token);
}

TEST_P(CatalogUploads, AreSavedByTheLatestRequestOnly) {
  const auto first = m_catalog->claim_upload("a", begin().id).value();
  const auto second = m_catalog->claim_upload("a", first.id).value();
  EXPECT_GT(second.epoch, first.epoch);
  auto stale = first;
  stale.position = 10;
  const auto refused = m_catalog->save_upload(stale, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::conflict);
  EXPECT_EQ(m_catalog->find_upload("a", first.id)->position, 0U);
  auto fresh = second;
  fresh.position = 20;
  EXPECT_TRUE(m_catalog->save_upload(fresh, 0));
  EXPECT_EQ(m_catalog->find_upload("a", first.id)->position, 20U);
}

TEST_P(CatalogUploads, TellWhetherWhoeverHadThemBeforeHasSaved) {
  auto upload = m_catalog->claim_upload("a", begin().id).value();
  EXPECT_FALSE(upload.contested);
  upload.position = 10;
  upload.token = "some store's";
  ASSERT_TRUE(m_catalog->save_upload(upload, 0));
  const auto next = m_catalog->claim_upload("a", upload.id).value();
  EXPECT_FALSE(next.contested);
  const auto heir = m_catalog->claim_upload("a", upload.id).value();
  EXPECT_TRUE(heir.contested);
  EXPECT_EQ(heir.location, upload.location);  // the token tells of bytes there
  EXPECT_TRUE(m_catalog->claim_upload("a", upload.id)->contested);
}

TEST_P(CatalogUploads, BeginAnewElsewhereWhereSomebodyLeftWhatNobodyKnows) {
  const auto first = m_catalog->claim_upload("a", begin().id).value();
  const auto second = m_catalog->claim_upload("a", first.id).value();
  EXPECT_TRUE(second.contested);
  EXPECT_NE(second.location, first.location);
  EXPECT_EQ(m_catalog->find_upload("a", first.id)->location, second.location);
  const auto queued = m_catalog->deletions({}, 10).value();
  ASSERT_EQ(queued.size(), 1U);
  EXPECT_EQ(queued.front().id, first.location);
  EXPECT_EQ(queued.front().kind, blob::LocationKind::upload);
}

TEST_P(CatalogUploads, StandForPushesInOneRequest) {
  const auto push = m_catalog->begin_push("cache", "cas", "alice", 100).value();
  EXPECT_EQ(m_catalog->begin_upload("cache", "alice", 100).error().failure, Failure::conflict);  // of another kind
  const auto digest = digest_of(as_bytes("hello"));
  const blob::Location location{push.location, blob::LocationKind::raw, "raw/1", {0, 5}, "some/leftover"};
  ASSERT_TRUE(m_catalog->commit_entry("cache", "k", {digest}, location, "store", false, push.claim()));
  EXPECT_EQ(m_catalog->find_upload("cache", push.id).error().failure, Failure::not_found);
  const auto queued = m_catalog->deletions({}, 10).value();
  ASSERT_EQ(queued.size(), 1U);
  EXPECT_EQ(queued.front().kind, blob::LocationKind::leftovers);
  EXPECT_EQ(queued.front().key, "some/leftover");

  const auto late = m_catalog->begin_push("cache", "cas", "alice", 100).value();
  ASSERT_TRUE(m_catalog->remove_upload(late.id));  // as a sweep does
  const blob::Location lost{late.location, blob::LocationKind::raw, "raw/2", {0, 5}};
  EXPECT_EQ(m_catalog->commit_entry("cache", "l", {digest_of(as_bytes("other"))}, lost, "store", false, late.claim())
                .error()
                .failure,
            Failure::conflict);
  EXPECT_FALSE(m_catalog->find_entry("cache", "l"));
}

TEST_P(CatalogUploads, AreClaimedByRepositoryAndIdTogether) {
  const auto upload = begin();
  EXPECT_EQ(m_catalog->claim_upload("b", upload.id).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->claim_upload("a", "absent").error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->find_upload("a", upload.id)->epoch, upload.epoch);  // a claim in vain changes nothing
}

TEST_P(CatalogUploads, LeaveNothingWhereNobodyEverWroteToTheirFile) {
  const auto upload = begin();
  const auto end = m_catalog->remove_upload(upload.id).value();
  EXPECT_TRUE(end.ended);
  EXPECT_FALSE(end.left);
  EXPECT_TRUE(m_catalog->deletions(blob::LocationId{}, 10)->empty());
}

TEST_P(CatalogUploads, AreSavedOnlyFromWhereTheyStood) {
  auto first = begin();
  auto second = first;
  first.position = 5;
  second.position = 7;
  ASSERT_TRUE(m_catalog->save_upload(first, 0));
  EXPECT_EQ(m_catalog->save_upload(second, 0).error().failure, Failure::conflict);
  EXPECT_EQ(m_catalog->find_upload("a", first.id)->position, 5U);
  ASSERT_TRUE(m_catalog->save_upload(second, 5));
}

TEST_P(CatalogUploads, AreGoneOnceTheyAreRemoved) {
  const auto begun = begin();
  const auto upload = m_catalog->claim_upload("a", begun.id).value();
  const std::vector<blob::Location> file{{upload.location, blob::LocationKind::raw, "", {}}};
  EXPECT_TRUE(m_catalog->unknown(file)->empty());
  const auto left = m_catalog->remove_upload(upload.id)->left;
  ASSERT_TRUE(left);
  EXPECT_EQ(left->id, upload.location);
  EXPECT_EQ(left->kind, blob::LocationKind::upload);
  EXPECT_EQ(m_catalog->deletions(blob::LocationId{}, 10)->front().id, upload.location);  // outlives a crash
  EXPECT_TRUE(m_catalog->unknown(file)->empty());
  ASSERT_TRUE(m_catalog->forget_deletion(upload.location));
  EXPECT_EQ(m_catalog->unknown(file)->size(), 1U);
  EXPECT_EQ(m_catalog->find_upload("a", upload.id).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->claim_upload("a", upload.id).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->save_upload(upload, 0).error().failure, Failure::conflict);
  EXPECT_FALSE(m_catalog->remove_upload(upload.id)->ended);
}

TEST_P(CatalogUploads, AreNotRemovedOnceTheyWentOn) {
  const auto upload = begin();
  const auto before = m_clock.now() + std::chrono::seconds(1);
  m_clock.advance(std::chrono::seconds(1));
  ASSERT_TRUE(m_catalog->claim_upload("a", upload.id));
  EXPECT_FALSE(m_catalog->remove_upload(upload.id, before)->ended);
  EXPECT_TRUE(m_catalog->remove_upload(upload.id, before + std::chrono::seconds(1))->ended);
}

// Its bytes may be gone already, whoever ended it.
TEST_P(CatalogUploads, MakeNoBlobOnceTheyAreRemoved) {
  const auto upload = begin();
  const auto known = add_blob("a", "known");
  ASSERT_TRUE(m_catalog->remove_upload(upload.id));
  const auto digest = digest_of(as_bytes("new"));
  EXPECT_EQ(m_catalog->commit_blob("a", {digest}, location_for("new"), "store", upload.claim(), false).error().failure,
            Failure::conflict);
  EXPECT_EQ(m_catalog->find_blob_anywhere(digest).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->adopt_blob("b", known, upload.claim()).error().failure, Failure::conflict);
  EXPECT_FALSE(m_catalog->has_repository("b").value());
}

// Whoever claimed it since may have queued, or removed, what the first one finished.
TEST_P(CatalogUploads, MakeNoBlobForOneWhomAnotherTookItFrom) {
  const auto begun = begin();
  const auto first = m_catalog->claim_upload("a", begun.id);
  const auto second = m_catalog->claim_upload("a", begun.id);
  ASSERT_TRUE(first && second && second->contested);
  const auto digest = digest_of(as_bytes("new"));
  const auto commit = [&](const Upload& upload) {
    return m_catalog->commit_blob("a", {digest}, {upload.location, blob::LocationKind::raw, "raw/x", {0, 3}}, "store",
                                  upload.claim(), false);
  };
  EXPECT_EQ(commit(*first).error().failure, Failure::conflict);
  EXPECT_EQ(m_catalog->find_blob_anywhere(digest).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->adopt_blob("b", add_blob("a", "known"), first->claim()).error().failure, Failure::conflict);
  EXPECT_EQ(m_catalog->commit_entry("c", "k", {digest}, {}, "store", false, first->claim()).error().failure,
            Failure::conflict);
  EXPECT_TRUE(m_catalog->find_upload("a", begun.id));
  ASSERT_TRUE(commit(*second));
  EXPECT_TRUE(m_catalog->find_blob("a", digest));
}

TEST_P(CatalogUploads, AreBounded) {
  ASSERT_TRUE(m_catalog->begin_upload("a", "alice", 2));
  const auto second = m_catalog->begin_upload("a", "alice", 2);
  ASSERT_TRUE(second);
  const auto third = m_catalog->begin_upload("b", "bob", 2);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().failure, Failure::busy);
  EXPECT_FALSE(m_catalog->has_repository("b").value());
  ASSERT_TRUE(m_catalog->remove_upload(second->id));
  EXPECT_TRUE(m_catalog->begin_upload("b", "bob", 2));
}

TEST_P(CatalogUploads, GoStaleWhenNobodyTouchesThem) {
  const auto forgotten = begin();
  auto saved = begin();
  const auto claimed = begin();
  m_clock.advance(std::chrono::hours(2));
  ASSERT_TRUE(m_catalog->save_upload(saved, 0));
  ASSERT_TRUE(m_catalog->claim_upload("a", claimed.id));
  const auto fresh = begin();
  const auto stale = m_catalog->stale_uploads(m_clock.now() - std::chrono::hours(1), 100).value();
  ASSERT_EQ(stale.size(), 1U);
  EXPECT_EQ(stale.front().id, forgotten.id);
  EXPECT_EQ(stale.front().repository, "a");
  EXPECT_EQ(stale.front().location, forgotten.location);
  m_clock.advance(std::chrono::hours(2));
  EXPECT_EQ(m_catalog->stale_uploads(m_clock.now(), 100)->size(), 4U);
  EXPECT_EQ(m_catalog->stale_uploads(m_clock.now(), 3)->size(), 3U);
}

TEST_P(CatalogUploads, AreNotStaleAtTheVeryMoment) {
  begin();
  EXPECT_TRUE(m_catalog->stale_uploads(m_clock.now(), 100)->empty());
}

}  // namespace
}  // namespace slipway::catalog
