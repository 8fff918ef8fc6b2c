#include "s3/bucket.hpp"

#include "base/digest.hpp"
#include "support/manual_clock.hpp"
#include "support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::s3 {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

/// A bucket at a scripted store, which is never waited for long.
class BucketTest : public testing::Test {
protected:
  static std::vector<std::unique_ptr<KeySource>> fixed() {
    std::vector<std::unique_ptr<KeySource>> sources;
    sources.push_back(fixed_keys({"ACCESS", "secret", ""}));
    return sources;
  }

  BucketOptions options() {
    return {
        .endpoint = m_server.url(),
        .bucket = "b",
        .patience = {.attempts_max = 3, .first_pause = 1ms, .longest_pause = 2ms, .failures_max = 6, .open_for = 1h}};
  }

  std::string get(ByteRange range) {
    std::string out;
    const auto got = m_bucket.get("k", range, [&](ByteView piece) -> Result<> {
      out.append(as_text(piece));
      return {};
    });
    return got ? out : std::string("(") + name_of(got.error().failure) + ")";
  }

  ScriptedServer m_server;
  test::ManualClock m_clock;
  Keyring m_keyring{fixed(), m_clock};
  Bucket m_bucket{options(), m_keyring, m_clock};
};

TEST_F(BucketTest, PutsWhatTheStoreCanCheck) {
  m_server.add(answer(200));
  const auto sha256 = to_hex(digest_of(as_bytes("hello")).value());
  ASSERT_TRUE(m_bucket.put("some key", {as_bytes("hello"), sha256}));
  EXPECT_THAT(m_server.last(), StartsWith("PUT /b/some%20key HTTP/1.1\r\n"));
  EXPECT_THAT(m_server.last(), HasSubstr("x-amz-content-sha256: " + sha256));
  EXPECT_THAT(m_server.last(), HasSubstr("Authorization: AWS4-HMAC-SHA256 Credential=ACCESS/"));
  EXPECT_THAT(m_server.last(), HasSubstr("\r\n\r\nhello"));
}

TEST_F(BucketTest, AddressesTheBucketByItsHost) {
  auto by_host = options();
  by_host.style = Style::virtual_host;
  Bucket bucket(by_host, m_keyring, m_clock);
  const auto url = bucket.presigned_url("GET", "k", 60s);
  EXPECT_THAT(*url, StartsWith("http://b.127.0.0.1:"));
  EXPECT_THAT(*url, HasSubstr("/k?X-Amz-Algorithm="));
}

TEST_F(BucketTest, AsksAgainForWhatMayPass) {
  for (const auto& trouble : {answer(500), refusal(503, "SlowDown"), std::string(), refusal(400, "RequestTimeout")}) {
    m_server.add(trouble);
    m_server.add(answer(200));
    EXPECT_TRUE(m_bucket.put("k", {as_bytes("hello"), {}})) << trouble;
    EXPECT_THAT(m_server.last(), HasSubstr("\r\n\r\nhello"));
  }
  EXPECT_EQ(m_server.requests().size(), 8U);
}

TEST_F(BucketTest, GivesUpAfterSomeAttempts) {
  const auto put = m_bucket.put("k", {as_bytes("x"), {}});
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().failure, Failure::unavailable);
  EXPECT_THAT(put.error().message, HasSubstr("PUT k: " + m_server.url() + " answered 500"));
  EXPECT_EQ(m_server.requests().size(), 3U);
}

TEST_F(BucketTest, IsToldAtOnceWhileTheStoreIsGone) {
  ASSERT_FALSE(m_bucket.remove("k"));
  ASSERT_FALSE(m_bucket.remove("k"));
  ASSERT_EQ(m_server.requests().size(), 6U);
  const auto refused = m_bucket.remove("k");
  EXPECT_EQ(refused.error().failure, Failure::unavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("the object store has not answered for 0 s: "));
  EXPECT_EQ(m_server.requests().size(), 6U);
}

TEST_F(BucketTest, AsksOnlyOnceForWhatIsRefused) {
  const std::vector<std::tuple<int, const char*, Failure, const char*>> refusals{
      {404, "NoSuchKey", Failure::not_found, "answered 404 NoSuchKey (m)"},
      {404, "NoSuchBucket", Failure::unavailable, "there is no bucket 'b'"},
      {403, "InvalidAccessKeyId", Failure::unavailable, "does not know the access key"},
      {403, "SignatureDoesNotMatch", Failure::unavailable, "the secret key is"},
      {403, "AccessDenied", Failure::unavailable, "these keys may not do this with bucket 'b'"},
      {403, "RequestTimeTooSkewed", Failure::unavailable, "set the clock"},
      {400, "AuthorizationHeaderMalformed", Failure::unavailable, "in another region than 'us-east-1'"},
      {507, "QuotaExceeded", Failure::no_space, "QuotaExceeded"},
      {400, "Whatever", Failure::io, "answered 400 Whatever (m)"}};
  for (const auto& [status, code, failure, says] : refusals) {
    const auto before = m_server.requests().size();
    m_server.add(refusal(status, code));
    const auto put = m_bucket.put("k", {as_bytes("x"), {}});
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().failure, failure) << code;
    EXPECT_THAT(put.error().message, HasSubstr(says));
    EXPECT_EQ(m_server.requests().size(), before + 1);
  }
}

TEST_F(BucketTest, NamesTheRegionThatTheStoreTells) {
  m_server.add(answer(301, "<Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>"));
  EXPECT_THAT(m_bucket.put("k", {as_bytes("x"), {}}).error().message, HasSubstr("'us-east-1', in 'eu-west-1'"));
}

TEST_F(BucketTest, TakesTheStoresTimeWhereItsOwnIsRefused) {
  m_server.add(refusal(403, "RequestTimeTooSkewed", "Date: Mon, 23 Nov 2099 02:28:27 GMT\r\n"));
  m_server.add(answer(204));
  ASSERT_TRUE(m_bucket.remove("k"));
  EXPECT_THAT(m_server.last(), HasSubstr("x-amz-date: 20991123T0228"));
  m_server.add(answer(204));
  ASSERT_TRUE(m_bucket.remove("k"));  // from now on
  EXPECT_THAT(m_server.last(), HasSubstr("x-amz-date: 20991123T0228"));
}

TEST_F(BucketTest, BelievesNoSuccessWithARefusalInIt) {
  m_server.add(refusal(200, "InternalError"));
  m_server.add(answer(200, "<CompleteMultipartUploadResult/>"));
  const Part part{1, "\"e\"", 5};
  EXPECT_TRUE(m_bucket.finish_multipart("k", "u", {&part, 1}));
  EXPECT_EQ(m_server.requests().size(), 2U);
  EXPECT_THAT(m_server.last(), HasSubstr("<Part><PartNumber>1</PartNumber><ETag>\"e\"</ETag></Part>"));
}

TEST_F(BucketTest, TellsAnUploadThatItFinishedFromOneThatIsGone) {
  const Part part{1, "\"e\"", 5};
  for (const bool is_there : {true, false}) {
    m_server.add("");  // the answer is lost
    m_server.add(refusal(404, "NoSuchUpload"));
    m_server.add(is_there ? answer(200, "", "", 5) : answer(404));
    EXPECT_EQ(m_bucket.finish_multipart("k", "u", {&part, 1}).has_value(), is_there);
  }
}

TEST_F(BucketTest, GetsARange) {
  m_server.add(answer(206, "3456"));
  EXPECT_EQ(get({3, 4}), "3456");
  EXPECT_THAT(m_server.last(), HasSubstr("Range: bytes=3-6\r\n"));
}

TEST_F(BucketTest, GoesOnWhereABodyBroke) {
  m_server.add(answer(206, "34", "", 4));
  m_server.add("");
  m_server.add(answer(206, "5", "", 2));
  m_server.add(answer(206, "6"));
  EXPECT_EQ(get({3, 4}), "3456");
  EXPECT_THAT(m_server.requests().at(1), HasSubstr("Range: bytes=5-6\r\n"));
  EXPECT_THAT(m_server.last(), HasSubstr("Range: bytes=6-6\r\n"));
}

TEST_F(BucketTest, GetsNothingButTheRange) {
  m_server.add(answer(206, "345"));
  EXPECT_EQ(get({3, 4}), "(corrupt)");
  m_server.add(refusal(416, "InvalidRange"));
  EXPECT_EQ(get({3, 4}), "(corrupt)");
  m_server.add(answer(206, "34567"));
  EXPECT_EQ(get({3, 4}), "(io)");
  m_server.add(answer(200, "0123456789"));  // a store that knows no ranges
  EXPECT_EQ(get({3, 4}), "(io)");
  m_server.add(refusal(404, "NoSuchKey"));
  EXPECT_EQ(get({3, 4}), "(not_found)");
}

TEST_F(BucketTest, StopsWhereTheSinkDoes) {
  m_server.add(answer(206, "3456"));
  const auto got = m_bucket.get("k", {3, 4}, [](ByteView) -> Result<> { return fail(Failure::io, "disk"); });
  EXPECT_EQ(got.error().failure, Failure::io);
  EXPECT_THAT(got.error().message, HasSubstr("disk"));
  EXPECT_EQ(m_server.requests().size(), 1U);
}

TEST_F(BucketTest, GetsNothingOfNothing) {
  m_server.add(answer(200, "", "", 5));
  EXPECT_EQ(get({5, 0}), "");
  m_server.add(answer(200, "", "", 5));
  EXPECT_EQ(get({6, 0}), "(corrupt)");
}

TEST_F(BucketTest, RemovesManyAtOnce) {
  m_server.add(answer(200, "<DeleteResult/>"));
  const std::vector<std::string> keys{"a", "b<&>"};
  ASSERT_TRUE(m_bucket.remove(keys));
  EXPECT_THAT(m_server.last(), StartsWith("POST /b/?delete= HTTP/1.1\r\n"));
  EXPECT_THAT(m_server.last(), HasSubstr("Content-MD5: "));
  EXPECT_THAT(m_server.last(), HasSubstr("<Object><Key>a</Key></Object><Object><Key>b&lt;&amp;&gt;</Key></Object>"));
  m_server.add(answer(200, "<DeleteResult><Error><Key>a</Key><Code>NoSuchKey</Code></Error></DeleteResult>"));
  EXPECT_TRUE(m_bucket.remove(keys));
  m_server.add(answer(200, "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>"));
  EXPECT_FALSE(m_bucket.remove(keys));
}

TEST_F(BucketTest, ListsAllPages) {
  m_server.add(answer(200, "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>true"
                           "</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents>"
                           "<NextContinuationToken>t+1</NextContinuationToken></ListBucketResult>"));
  m_server.add(
      answer(200, "<ListBucketResult><Contents><Key>b&amp;</Key><Size>22</Size></Contents></ListBucketResult>"));
  std::string listed;
  ASSERT_TRUE(
      m_bucket.list("p/", [&](const Object& object) { listed += fmt::format("{} {} ", object.key, object.size); }));
  EXPECT_EQ(listed, "a 1 b& 22 ");
  EXPECT_THAT(m_server.last(), StartsWith("GET /b/?continuation-token=t%2B1&list-type=2&prefix=p%2F HTTP/1.1\r\n"));
}

TEST_F(BucketTest, ListsFoldersPageByPageAsLongAsTheyAreWanted) {
  const auto page = [](const std::string& folder, const std::string& more) {
    return answer(200,
                  "<ListBucketResult><Contents><Key>p/file</Key><Size>1</Size></Contents><CommonPrefixes><Prefix>" +
                      folder + "</Prefix></CommonPrefixes>" + more + "</ListBucketResult>");
  };
  const std::string more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
  std::string listed;
  const auto note = [&](const std::string& name) -> Result<> {
    listed += name + " ";
    return name == "last" ? fail(Failure::conflict, "enough") : Result<>();
  };
  m_server.add(page("p/a/", more));
  m_server.add(page("p/b&amp;/", ""));
  ASSERT_TRUE(m_bucket.list_folders("p/", note));
  EXPECT_EQ(listed, "a b& ");
  EXPECT_THAT(m_server.last(), StartsWith("GET /b/?continuation-token=t&delimiter=%2F&list-type=2&prefix=p%2F HTTP"));
  m_server.add(page("p/last/", more));
  EXPECT_EQ(m_bucket.list_folders("p/", note).error().failure, Failure::conflict);
  for (const auto* other : {"q/a/", "p/", "p/a"}) {
    m_server.add(page(other, ""));
    EXPECT_EQ(m_bucket.list_folders("p/", note).error().failure, Failure::io) << other;
  }
}

TEST_F(BucketTest, ReadsSmallObjectsWhole) {
  m_server.add(answer(200, "12345"));
  EXPECT_EQ(m_bucket.read("k", 5).value(), "12345");
  m_server.add(answer(200, "12345"));
  EXPECT_EQ(m_bucket.read("k", 4).error().failure, Failure::too_large);
  m_server.add(answer(404, "<Error><Code>NoSuchKey</Code></Error>"));
  EXPECT_EQ(m_bucket.read("k", 5).error().failure, Failure::not_found);
}

TEST_F(BucketTest, IsNotLedInCircles) {
  const auto page = answer(200, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
                                "</NextContinuationToken></ListBucketResult>");
  m_server.add(page);
  m_server.add(page);
  EXPECT_EQ(m_bucket.list("", [](const Object&) {}).error().failure, Failure::io);
}

}  // namespace
}  // namespace slipway::s3
