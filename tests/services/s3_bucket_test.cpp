// A bucket at a real object store.

#include "base/digest.hpp"
#include "s3_place.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

namespace slipway::s3 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class S3Bucket : public testing::Test {
protected:
  static Content content(const std::string& text) {
    return {as_bytes(text), to_hex(digest_of(as_bytes(text)).value())};
  }

  std::string get(const std::string& key, ByteRange range) {
    std::string out;
    const auto got = m_bucket.get(key, range, [&](ByteView piece) -> Result<> {
      out.append(as_text(piece));
      return {};
    });
    return got ? out : std::string("(") + name_of(got.error().failure) + ")";
  }

  std::vector<std::string> keys(const std::string& prefix = {}) {
    std::vector<std::string> out;
    EXPECT_TRUE(m_bucket.list(prefix, [&](const Object& object) { out.push_back(object.key); }));
    return out;
  }

  int multiparts() {
    int count = 0;
    EXPECT_TRUE(m_bucket.list_multiparts("", [&](const Multipart&) { ++count; }));
    return count;
  }

  const BucketOptions m_options = made_bucket();
  Bucket m_bucket{m_options, test_keys(), system_clock()};
};

TEST_F(S3Bucket, GivesBackWhatWasPut) {
  for (const std::string key : {"plain", "with/slash", "odd key+&=%?#~é"}) {
    const auto put = m_bucket.put(key, content("0123456789"));
    ASSERT_TRUE(put) << put.error().message;
    EXPECT_EQ(get(key, {0, 10}), "0123456789") << key;
    EXPECT_EQ(get(key, {3, 4}), "3456");
    EXPECT_EQ(get(key, {8, 4}), "(corrupt)");
    EXPECT_EQ(get(key, {11, 4}), "(corrupt)");
    EXPECT_EQ(m_bucket.head(key), 10U);
  }
  ASSERT_TRUE(m_bucket.put("empty", content("")));
  EXPECT_EQ(get("empty", {0, 0}), "");
  EXPECT_EQ(get("absent", {0, 1}), "(not_found)");
  EXPECT_EQ(m_bucket.head("absent").error().failure, Failure::not_found);
}

TEST_F(S3Bucket, HasTheStoreCheckWhatItIsSent) {
  auto wrong = content("hello");
  wrong.sha256 = content("other").sha256;
  EXPECT_FALSE(m_bucket.put("k", wrong));
  EXPECT_EQ(m_bucket.head("k").error().failure, Failure::not_found);
}

TEST_F(S3Bucket, ListsAndRemovesMoreThanAPage) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (int n = thread; n < 1100; n += 4) EXPECT_TRUE(m_bucket.put(fmt::format("many/{:04}", n), content("x")));
    });
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(m_bucket.put("other", content("x")));
  const auto listed = keys("many/");
  EXPECT_EQ(listed.size(), 1100U);
  EXPECT_TRUE(std::ranges::is_sorted(listed));
  EXPECT_EQ(listed.back(), "many/1099");
  ASSERT_TRUE(m_bucket.remove(listed));
  EXPECT_THAT(keys(), ElementsAre("other"));
  ASSERT_TRUE(m_bucket.remove(listed)) << "absent ones count as removed";
  EXPECT_TRUE(m_bucket.remove("other"));
  EXPECT_TRUE(m_bucket.remove("other"));
  EXPECT_TRUE(keys().empty());
}

TEST_F(S3Bucket, PutsTogetherWhatCameInParts) {
  const std::string first(5U << 20, 'a'), second(5U << 20, 'b'), last = "end";
  const auto upload = m_bucket.begin_multipart("k");
  ASSERT_TRUE(upload) << upload.error().message;
  std::vector<Part> parts;
  parts.push_back(m_bucket.put_part("k", upload->upload_id, 1, content(first)).value());
  ASSERT_TRUE(m_bucket.put_part("k", upload->upload_id, 2, content(first)));
  parts.push_back(m_bucket.put_part("k", upload->upload_id, 2, content(second)).value());  // replaces it
  parts.push_back(m_bucket.put_part("k", upload->upload_id, 7, content(last)).value());
  EXPECT_EQ(multiparts(), 1);
  EXPECT_EQ(m_bucket.head("k").error().failure, Failure::not_found);
  const auto there = m_bucket.list_parts("k", upload->upload_id).value();
  ASSERT_EQ(there.size(), 3U);
  EXPECT_EQ(there[1].etag, parts[1].etag);
  EXPECT_EQ(there[2].size, 3U);
  for (int time = 0; time < 2; ++time) {  // as after a lost answer
    const auto finished = m_bucket.finish_multipart("k", upload->upload_id, parts);
    ASSERT_TRUE(finished) << finished.error().message;
  }
  EXPECT_EQ(m_bucket.head("k"), first.size() * 2 + 3);
  EXPECT_EQ(get("k", {first.size() - 1, 2}), "ab");
  EXPECT_EQ(get("k", {first.size() * 2, 3}), "end");
  EXPECT_EQ(multiparts(), 0);
}

TEST_F(S3Bucket, LeavesNothingOfWhatIsAborted) {
  const auto upload = m_bucket.begin_multipart("k").value().upload_id;
  ASSERT_TRUE(m_bucket.put_part("k", upload, 1, content("x")));
  EXPECT_TRUE(m_bucket.abort_multipart("k", upload));
  EXPECT_TRUE(m_bucket.abort_multipart("k", upload));
  EXPECT_EQ(multiparts(), 0);
  EXPECT_EQ(m_bucket.list_parts("k", upload).error().failure, Failure::not_found);
  EXPECT_EQ(m_bucket.put_part("k", upload, 2, content("x")).error().failure, Failure::not_found);
}

TEST_F(S3Bucket, SaysWhatIsWrong) {
  const auto why = [](const BucketOptions& options, Keyring& keys) {
    Bucket bucket(options, keys, system_clock());
    return bucket.list("", [](const Object&) {}).error();
  };
  const auto absent = why(test_bucket("absent-bucket"), test_keys());
  EXPECT_EQ(absent.failure, Failure::unavailable);
  EXPECT_THAT(absent.message, HasSubstr("there is no bucket 'absent-bucket'"));
  const auto with = [](Credentials credentials) {
    std::vector<std::unique_ptr<KeySource>> sources;
    sources.push_back(fixed_keys(std::move(credentials)));
    return Keyring(std::move(sources), system_clock());
  };
  const auto right = test_keys().get().value();
  auto unknown = with({"nobody00000000000000", right.secret_key, ""});
  EXPECT_THAT(why(m_options, unknown).message, HasSubstr("does not know the access key"));
  auto wrong = with({right.access_key, "wrong", ""});
  EXPECT_THAT(why(m_options, wrong).message, HasSubstr("the secret key is"));
  auto nowhere = m_options;
  nowhere.endpoint = "http://127.0.0.1:1";
  nowhere.patience = {.attempts_max = 2, .first_pause = std::chrono::milliseconds(1)};
  EXPECT_EQ(why(nowhere, test_keys()).failure, Failure::unavailable);
}

TEST_F(S3Bucket, LetsAnybodyReadByAUrl) {
  ASSERT_TRUE(m_bucket.put("a key", content("0123456789")));
  const auto url = m_bucket.presigned_url("GET", "a key", std::chrono::seconds(60));
  ASSERT_TRUE(url);
  const auto whole = http::fetch({.url = *url});
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->status, 200);
  EXPECT_EQ(whole->body, "0123456789");
  EXPECT_EQ(http::fetch({.url = *url, .headers = {"Range: bytes=2-4"}})->body, "234");
  EXPECT_EQ(http::fetch({.url = url->substr(0, url->find('?'))})->status, 403);
}

TEST_F(S3Bucket, GoesByTheStoresClock) {
  class WrongClock final : public Clock {
  public:
    Timestamp now() const override { return system_clock().now() - std::chrono::hours(2); }
  } clock;
  Bucket bucket(m_options, test_keys(), clock);
  const auto put = bucket.put("k", content("x"));
  EXPECT_TRUE(put) << put.error().message;
}

}  // namespace
}  // namespace slipway::s3
