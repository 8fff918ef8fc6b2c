#include "lifecycle/janitor.hpp"

#include "base/log.hpp"
#include "support/storage.hpp"

#include <atomic>
#include <gtest/gtest.h>

namespace slipway::lifecycle {
namespace {

class JanitorTest : public testing::Test, protected test::Storage {
protected:
  /// A session with some bytes behind it.
  catalog::Upload suspend(const std::string& text) {
    const auto begun = m_catalog->begin_upload("a", "alice", 100).value();
    auto upload = m_catalog->claim_upload("a", begun.id).value();
    auto intake = blob::Intake::begin(m_bytes, upload.location, true, {}, std::nullopt).value();
    EXPECT_TRUE(intake.write(as_bytes(text)));
    upload.token = intake.suspend().value();
    upload.position = intake.position();
    EXPECT_TRUE(m_catalog->save_upload(upload, 0));
    return upload;
  }
};

TEST_F(JanitorTest, RemovesUnwantedBytesAndForgetsThem) {
  for (int i = 0; i < 250; ++i) push("a", "same");  // more than two pages of deletions
  EXPECT_EQ(m_bytes.locations(), 250U);
  EXPECT_EQ(finish_deletions(*m_catalog, m_store), 249U);
  EXPECT_EQ(m_bytes.locations(), 1U);
  EXPECT_EQ(m_catalog->totals()->deletions, 0U);
  const auto kept = m_catalog->find_blob("a", digest_of(as_bytes("same")));
  EXPECT_TRUE(m_store.open(kept->location, {0, kept->size}));
  EXPECT_EQ(finish_deletions(*m_catalog, m_store), 0U);
}

TEST_F(JanitorTest, KeepsTheRowUntilTheBytesAreGone) {
  push("a", "same");
  push("a", "same");
  m_store.plan.arm(1);
  EXPECT_FALSE(finish_deletions(*m_catalog, m_store));
  m_store.plan.disarm();
  EXPECT_EQ(m_catalog->totals()->deletions, 1U);
  EXPECT_EQ(finish_deletions(*m_catalog, m_store), 1U);
  EXPECT_EQ(m_bytes.locations(), 1U);
}

TEST_F(JanitorTest, RemovesAgainWhereOnlyTheAnswerWasLost) {
  push("a", "same");
  push("a", "same");
  m_store.plan.arm(1, test::Fault::after);
  EXPECT_FALSE(finish_deletions(*m_catalog, m_store));
  EXPECT_EQ(finish_deletions(*m_catalog, m_store), 1U);
}

TEST_F(JanitorTest, EndsUploadsThatNobodyCameBackFor) {
  const auto forgotten = suspend("half");
  m_clock.advance(std::chrono::hours(2));
  const auto fresh = suspend("other half");
  EXPECT_EQ(expire_uploads(*m_catalog, m_store, m_clock.now() - std::chrono::hours(1)), 1U);
  EXPECT_FALSE(m_catalog->find_upload("a", forgotten.id));
  EXPECT_TRUE(m_catalog->find_upload("a", fresh.id));
  EXPECT_EQ(m_bytes.suspended_uploads(), 1U);
}

TEST_F(JanitorTest, EndsMoreUploadsThanAPage) {
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(m_catalog->begin_upload("a", "alice", 1000));
  m_clock.advance(std::chrono::hours(2));
  EXPECT_EQ(expire_uploads(*m_catalog, m_store, m_clock.now()), 150U);
  EXPECT_EQ(m_catalog->totals()->uploads, 0U);
}

TEST_F(JanitorTest, DoesBothInTheBackground) {
  push("a", "same");
  push("a", "same");
  suspend("half");
  m_clock.advance(std::chrono::hours(48));
  {
    const Janitor janitor(*m_catalog, m_store, m_clock, {.interval = std::chrono::seconds(1)});
    while (m_catalog->totals()->deletions + m_catalog->totals()->uploads > 0) std::this_thread::yield();
  }
  EXPECT_EQ(m_bytes.locations(), 1U);
  EXPECT_EQ(m_bytes.suspended_uploads(), 0U);
}

TEST_F(JanitorTest, EndsNoUploadsWhileAnotherJournalMayKnowThemAsBlobs) {
  push("a", "same");
  push("a", "same");
  suspend("half");
  m_clock.advance(std::chrono::hours(48));
  {
    const Janitor janitor(*m_catalog, m_store, m_clock, {.interval = std::chrono::seconds(1), .journaled = [] {
                                                           return catalog::before_all_changes;
                                                         }});
    while (m_catalog->totals()->deletions > 0) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it would come next
  }
  EXPECT_EQ(m_catalog->totals()->uploads, 1U);
  EXPECT_EQ(m_bytes.suspended_uploads(), 1U);
}

TEST_F(JanitorTest, ComesBackSoonForWhatWaitedForTheJournal) {
  suspend("half");
  m_clock.advance(std::chrono::hours(48));
  std::atomic<int> looks = 0;  // the journal has been looked at while the first pass was under way
  const Janitor janitor(*m_catalog, m_store, m_clock,
                        {.interval = std::chrono::hours(24),
                         .journal_pause = std::chrono::milliseconds(10),
                         .journaled = [&looks] { return looks++ < 2 ? -1 : catalog::after_all_changes; }});
  while (m_catalog->totals()->uploads > 0) std::this_thread::yield();
}

TEST_F(JanitorTest, StopsAtOnceHoweverLongItsInterval) {
  const Janitor janitor(*m_catalog, m_store, m_clock, {.interval = std::chrono::hours(24)});
}

TEST_F(JanitorTest, LeavesTheRestToTheNextStartWhereItHasToEnd) {
  for (int i = 0; i < 250; ++i) push("a", "same");
  for (int i = 0; i < 3; ++i) suspend("bytes");
  int left = 120;
  const auto goes_on = [&] { return left-- > 0; };
  EXPECT_EQ(finish_deletions(*m_catalog, m_store, catalog::after_all_changes, Timestamp::max(), goes_on), 120U);
  left = 2;
  EXPECT_EQ(expire_uploads(*m_catalog, m_store, m_clock.now() + std::chrono::hours(1), goes_on), 2U);
  EXPECT_EQ(finish_deletions(*m_catalog, m_store), 129U);
  EXPECT_EQ(m_catalog->totals()->uploads, 1U);
}

TEST_F(JanitorTest, TouchesNothingWhileReadOnly) {
  push("a", "same");
  push("a", "same");
  m_catalog->set_read_only(true);
  {
    const Janitor janitor(*m_catalog, m_store, m_clock, {});
  }
  EXPECT_EQ(m_bytes.locations(), 2U);
}

}  // namespace
}  // namespace slipway::lifecycle
