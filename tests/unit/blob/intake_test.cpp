#include "blob/intake.hpp"

#include "support/faulty_store.hpp"
#include "support/memory_store.hpp"

#include <gtest/gtest.h>

namespace slipway::blob {
namespace {

class IntakeTest : public testing::Test {
protected:
  /// A token of an upload that got `text` so far.
  ResumeToken token_after(std::string_view text, std::vector<Algorithm> announced = {}) {
    auto intake = Intake::begin(m_store, m_id, true, std::move(announced));
    EXPECT_TRUE(intake);
    EXPECT_TRUE(intake->write(as_bytes(text)));
    auto token = intake->suspend();
    EXPECT_TRUE(token);
    return *token;
  }

  std::string content_of(const Location& location) {
    const auto slice = m_store.open(location, {0, location.range.length});
    EXPECT_TRUE(slice);
    std::string out(slice->range.length, '\0');
    EXPECT_EQ(read_some(*slice, std::as_writable_bytes(std::span(out)), 0), out.size());
    return out;
  }

  test::MemoryStore m_store;
  const LocationId m_id{7};
  const std::string m_large = std::string(small_bytes_max + 1, 'x');
};

TEST_F(IntakeTest, KnowsTheSha256OfWhatPassed) {
  auto intake = Intake::begin(m_store, m_id, false);
  ASSERT_TRUE(intake);
  ASSERT_TRUE(intake->write(as_bytes("hello ")));
  ASSERT_TRUE(intake->write(as_bytes("world")));
  EXPECT_EQ(intake->position(), 11U);
  EXPECT_EQ(intake->digest(Algorithm::sha256), digest_of(as_bytes("hello world")));
  const auto location = intake->finish();
  ASSERT_TRUE(location);
  EXPECT_EQ(location->id, m_id);
  EXPECT_EQ(content_of(*location), "hello world");
}

TEST_F(IntakeTest, ComputesAnAnnouncedSha512WhileStreaming) {
  auto intake = Intake::begin(m_store, m_id, false, {Algorithm::sha512});
  ASSERT_TRUE(intake);
  ASSERT_TRUE(intake->write(as_bytes("hello")));
  EXPECT_EQ(intake->digests(),
            (std::vector{digest_of(as_bytes("hello")), digest_of(as_bytes("hello"), Algorithm::sha512)}));
}

TEST_F(IntakeTest, ReadsAgainForADigestThatNobodyAnnounced) {
  const std::string large(600'000, 'x');  // more than it reads at a time
  auto intake = Intake::begin(m_store, m_id, false);
  ASSERT_TRUE(intake);
  ASSERT_TRUE(intake->write(as_bytes(large)));
  EXPECT_EQ(intake->digest(Algorithm::sha512), digest_of(as_bytes(large), Algorithm::sha512));
  EXPECT_EQ(intake->digests().size(), 2U);
}

TEST_F(IntakeTest, TellsThatReadingAgainFailed) {
  test::FaultyStore faulty(m_store);
  auto intake = Intake::begin(faulty, m_id, false);
  ASSERT_TRUE(intake);
  ASSERT_TRUE(intake->write(as_bytes(m_large)));
  faulty.plan.arm(1);
  EXPECT_FALSE(intake->digest(Algorithm::sha512));
  EXPECT_EQ(intake->digests().size(), 1U);  // half a digest is none
  EXPECT_EQ(intake->digest(Algorithm::sha512), digest_of(as_bytes(m_large), Algorithm::sha512));
}

TEST_F(IntakeTest, GoesOnFromEverySplit) {
  std::string message;
  for (int i = 0; i < 150; ++i) message.push_back(static_cast<char>(i));
  for (std::size_t split = 0; split <= message.size(); ++split) {
    const auto token = token_after(message.substr(0, split), {Algorithm::sha512});
    EXPECT_LE(token.size(), 4096U);
    auto intake = Intake::resume(m_store, m_id, token);
    ASSERT_TRUE(intake) << split;
    EXPECT_EQ(intake->position(), split);
    ASSERT_TRUE(intake->write(as_bytes(message.substr(split))));
    EXPECT_EQ(intake->digest(Algorithm::sha256), digest_of(as_bytes(message)));
    EXPECT_EQ(intake->digest(Algorithm::sha512), digest_of(as_bytes(message), Algorithm::sha512));
  }
}

TEST_F(IntakeTest, GoesOnSeveralTimes) {
  auto token = token_after("a");
  for (const auto* part : {"b", "c", "d"}) {
    auto intake = Intake::resume(m_store, m_id, token);
    ASSERT_TRUE(intake);
    ASSERT_TRUE(intake->write(as_bytes(part)));
    token = *intake->suspend();
  }
  auto intake = Intake::resume(m_store, m_id, token);
  ASSERT_TRUE(intake);
  EXPECT_EQ(intake->digest(Algorithm::sha256), digest_of(as_bytes("abcd")));
  EXPECT_EQ(content_of(*intake->finish()), "abcd");
}

TEST_F(IntakeTest, RefusesATruncatedToken) {
  const auto token = token_after("hello", {Algorithm::sha512});
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < token.size(); ++size) {
    const auto intake = Intake::resume(m_store, m_id, token.substr(0, size));
    if (intake)
      ++accepted;
    else
      EXPECT_EQ(intake.error().failure, Failure::corrupt) << size;
  }
  EXPECT_EQ(accepted, 1U);  // the cut between both hashers leaves a whole token of one
}

TEST_F(IntakeTest, RefusesATokenWithSomethingBehindIt) {
  const auto token = token_after("hello");
  for (const auto* more : {"x", "xxxx", "\x01"}) EXPECT_FALSE(Intake::resume(m_store, m_id, token + more));
  EXPECT_FALSE(Intake::resume(m_store, m_id, token + std::string(4, '\0')));
  EXPECT_FALSE(Intake::resume(m_store, m_id, token + std::string(4, '\xff')));
}

TEST_F(IntakeTest, SurvivesAnyTamperedByte) {
  const auto token = token_after("hello");
  for (std::size_t i = 0; i < token.size(); ++i)
    for (const int value : {0x00, 0x01, 0x40, 0x7f, 0x80, 0xff}) {
      auto tampered = token;
      tampered[i] = static_cast<char>(value);
      if (auto intake = Intake::resume(m_store, m_id, tampered)) {  // and then it must at least be safe to use
        EXPECT_TRUE(intake->write(as_bytes(std::string(300, 'x'))));
        EXPECT_TRUE(intake->digest(Algorithm::sha256));
      }
    }
}

TEST_F(IntakeTest, RefusesHashStatesOfOtherBytes) {
  for (const auto& shorter : {std::string("hell"), m_large}) {
    const auto four = token_after(shorter);
    const auto five = token_after(shorter + "o");
    const auto state_size = Hasher(Algorithm::sha256).save().size();
    const auto mixed = four.substr(0, four.size() - state_size) + five.substr(five.size() - state_size);
    ASSERT_NE(mixed, five);
    EXPECT_EQ(Intake::resume(m_store, m_id, mixed).error().failure, Failure::corrupt);
  }
}

TEST_F(IntakeTest, TellsWhatIsLeftOfAnUpload) {
  const auto token = token_after(m_large);
  EXPECT_FALSE(Intake::holds_bytes(token));
  EXPECT_EQ(m_store.suspended_uploads(), 1U);
  const auto left = Intake::unfinished(m_id, token);
  EXPECT_EQ(left.kind, LocationKind::upload);
  EXPECT_EQ(left.key, "memory 65537");  // the store's own token
  EXPECT_TRUE(m_store.remove(left));
  EXPECT_EQ(m_store.suspended_uploads(), 0U);
  EXPECT_FALSE(Intake::resume(m_store, m_id, token));
  EXPECT_TRUE(m_store.remove(left));
  for (const auto* other : {"", "x", "junk that is no token"})
    EXPECT_TRUE(m_store.remove(Intake::unfinished(m_id, other)));
}

TEST_F(IntakeTest, KeepsWhatIsSmallInItsToken) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, small_bytes_max}) {
    const auto token = token_after(m_large.substr(0, size));
    EXPECT_TRUE(Intake::holds_bytes(token));
    EXPECT_LE(token.size(), small_bytes_max + 4096);
    EXPECT_EQ(m_store.suspended_uploads(), 0U);
    EXPECT_EQ(Intake::unfinished(m_id, token).key, "");
    auto intake = Intake::resume(m_store, m_id, token);
    ASSERT_TRUE(intake) << intake.error().message;
    EXPECT_EQ(intake->position(), size);
    ASSERT_TRUE(intake->write(as_bytes("y")));
    EXPECT_EQ(content_of(*intake->finish()), m_large.substr(0, size) + "y");
  }
}

TEST_F(IntakeTest, RefusesATokenWithMoreBytesThanAreSmall) {
  auto token = token_after(m_large.substr(1));
  ASSERT_EQ(token[4], '\0');  // little-endian: 0x10000
  token[4] = '\1';
  token.insert(8, "x");
  EXPECT_EQ(Intake::resume(m_store, m_id, token).error().failure, Failure::corrupt);
}

TEST_F(IntakeTest, GoesToTheStoreAtOnceWithoutRoom) {
  auto intake = Intake::begin(m_store, m_id, true, {}, std::nullopt);
  ASSERT_TRUE(intake->write(as_bytes("hello")));
  const auto token = intake->suspend();
  ASSERT_TRUE(token);
  EXPECT_FALSE(Intake::holds_bytes(*token));
  EXPECT_EQ(m_store.suspended_uploads(), 1U);
  // What a token holds finds its way to the store as well.
  auto resumed = Intake::resume(m_store, m_id, token_after("hello"), Predecessor::gone, std::nullopt);
  ASSERT_TRUE(resumed);
  EXPECT_EQ(content_of(*resumed->finish()), "hello");
}

TEST_F(IntakeTest, HasRoomForSoManyAtOnce) {
  std::vector<SmallBytes> taken;
  while (auto room = SmallBytes::take_room()) taken.push_back(std::move(*room));
  EXPECT_EQ(taken.size(), static_cast<std::size_t>(SmallBytes::rooms));
  auto moved = std::move(taken.back());
  taken.pop_back();
  EXPECT_FALSE(SmallBytes::take_room());  // it went along
  taken.pop_back();
  EXPECT_TRUE(SmallBytes::take_room());
}

TEST_F(IntakeTest, DoesNotHashWhatTheStoreDidNotTake) {
  test::FaultyStore faulty(m_store);
  auto intake = Intake::begin(faulty, m_id, false, {}, std::nullopt);
  ASSERT_TRUE(intake);
  for (const int call : {1, 2}) {  // asking for room, and writing
    faulty.plan.arm(call, test::Fault::before, Failure::no_space);
    const auto refused = intake->write(as_bytes("lost"));
    ASSERT_FALSE(refused) << call;
    EXPECT_EQ(refused.error().failure, Failure::no_space);
  }
  ASSERT_TRUE(intake->write(as_bytes("kept")));
  EXPECT_EQ(intake->digest(Algorithm::sha256), digest_of(as_bytes("kept")));
}

TEST_F(IntakeTest, TellsThatTheStoreCannotBegin) {
  test::FaultyStore faulty(m_store);
  faulty.plan.arm(1, test::Fault::before, Failure::no_space);
  EXPECT_EQ(Intake::begin(faulty, m_id, true, {}, std::nullopt).error().failure, Failure::no_space);
  auto intake = Intake::begin(faulty, m_id, true);
  ASSERT_TRUE(intake);
  faulty.plan.arm(2, test::Fault::before, Failure::no_space);  // after the question for room
  EXPECT_EQ(intake->write(as_bytes(m_large)).error().failure, Failure::no_space);
}

TEST_F(IntakeTest, LeavesNothingWhenItIsAbandoned) {
  auto intake = Intake::begin(m_store, m_id, true);
  ASSERT_TRUE(intake);
  ASSERT_TRUE(intake->write(as_bytes("x")));
  ASSERT_TRUE(intake->suspend());
  EXPECT_TRUE(intake->abandon());
  EXPECT_EQ(m_store.suspended_uploads(), 0U);
  EXPECT_EQ(m_store.locations(), 0U);
}

}  // namespace
}  // namespace slipway::blob
