#include "blob/s3_upload.hpp"

#include "support/manual_clock.hpp"
#include "support/scripted_server.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

namespace slipway::blob {
namespace {

/// A store in a bucket that answers by script.
class S3StoreScript : public testing::Test {
protected:
  auto open() { return S3Store::open(m_bucket, {.prefix = "p/", .spool = m_spool.path()}); }

  static std::vector<std::unique_ptr<s3::KeySource>> keys() {
    std::vector<std::unique_ptr<s3::KeySource>> out;
    out.push_back(s3::fixed_keys({"ACCESS", "secret", ""}));
    return out;
  }

  static constexpr const char* identity = "0123456789abcdef0123456789abcdef";
  const std::string m_identity_answer = s3::answer(206, identity, "Content-Range: bytes 0-31/32\r\n");
  s3::ScriptedServer m_server;
  test::ManualClock m_clock;
  s3::Keyring m_keyring{keys(), m_clock};
  s3::Bucket m_bucket{{.endpoint = m_server.url(), .bucket = "b"}, m_keyring, m_clock};
  const test::TempDirectory m_spool;
};

TEST_F(S3StoreScript, IsNotTakenForSomethingElseWhileAnotherReplicaMakesIt) {
  m_server.add(s3::refusal(404, "NoSuchKey"));
  m_server.add(s3::answer(
      200, "<ListBucketResult><Contents><Key>p/store.id</Key><Size>32</Size></Contents></ListBucketResult>"));
  m_server.add(m_identity_answer);
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->identity().value(), identity);
  EXPECT_EQ(m_server.requests().size(), 3U);
}

TEST_F(S3StoreScript, TakesAnUploadOverWhosePredecessorStillPutsParts) {
  const auto part = [](int number) {
    return fmt::format("<Part><PartNumber>{0}</PartNumber><ETag>e{0}</ETag><Size>8388608</Size></Part>", number);
  };
  const auto list = [](const std::string& parts) {
    return s3::answer(200, "<ListPartsResult>" + parts + "</ListPartsResult>");
  };
  m_server.add(m_identity_answer);
  m_server.add(list(part(1)));
  m_server.add(s3::refusal(400, "InvalidPart"));  // there are two by now
  m_server.add(s3::answer(404));
  m_server.add(list(part(1) + part(2)));
  m_server.add(s3::answer(200, "<CompleteMultipartUploadResult/>"));
  m_server.add(s3::answer(200, {}, {}, std::size_t{16} << 20));
  m_server.add(
      s3::answer(200, "<InitiateMultipartUploadResult><UploadId>theirs</UploadId></InitiateMultipartUploadResult>"));
  m_server.add(s3::answer(200, "<CopyPartResult><ETag>e</ETag></CopyPartResult>"));
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  const auto token = S3Progress{
      .key = "raw/000000000000002a.00000000",
      .position = 8U << 20,
      .upload_id = "mine",
      .next_part = 2,
      .tail = {},
      .leftovers = {}}.token();
  const auto upload = (*store)->resume(LocationId{42}, token, Predecessor::maybe_there);
  ASSERT_TRUE(upload) << upload.error().message;
  EXPECT_EQ((*upload)->position(), 8U << 20);
  EXPECT_EQ(m_server.requests().size(), 9U);
}

}  // namespace
}  // namespace slipway::blob
