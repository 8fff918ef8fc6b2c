#include "s3/answers.hpp"

#include <gtest/gtest.h>

namespace slipway::s3 {
namespace {

TEST(Answers, TellARefusal) {
  const auto refusal = read_refusal("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
                                    "<Message>a &lt;b&gt;</Message><RequestId>x</RequestId></Error>");
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, "NoSuchKey");
  EXPECT_EQ(refusal->message, "a <b>");
  for (const auto* other : {"", "<html>502</html>", "<Error", "{}", "<ListBucketResult/>"})
    EXPECT_FALSE(read_refusal(other));
}

TEST(Answers, AreReadInAnyNameSpace) {
  EXPECT_EQ(read_upload_id("<a:InitiateMultipartUploadResult xmlns:a=\"x\"><a:UploadId>u1</a:UploadId>"
                           "</a:InitiateMultipartUploadResult>"),
            "u1");
}

TEST(Answers, AreRefusedWhereTheyLackWhatIsNeeded) {
  EXPECT_FALSE(read_upload_id("<InitiateMultipartUploadResult/>"));
  EXPECT_FALSE(read_objects("<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>"));
  EXPECT_FALSE(read_objects("<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>"));
  EXPECT_FALSE(read_objects("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"));
  EXPECT_FALSE(read_parts("<ListPartsResult><Part><PartNumber>0</PartNumber><Size>1</Size></Part></ListPartsResult>"));
  EXPECT_FALSE(read_removals("<html/>"));
  EXPECT_FALSE(read_role_keys("<AssumeRoleWithWebIdentityResponse/>"));
  EXPECT_EQ(read_objects(std::string(answer_bytes_max + 1, ' ')).error().failure, Failure::too_large);
}

TEST(Answers, TellParts) {
  const auto page = read_parts("<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>3</PartNumber>"
                               "<ETag>&quot;e&quot;</ETag><Size>7</Size></Part></ListPartsResult>");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->items.size(), 1U);
  EXPECT_EQ(page->items.front().number, 3);
  EXPECT_EQ(page->items.front().etag, "\"e\"");
  EXPECT_EQ(page->items.front().size, 7U);
  EXPECT_TRUE(page->next.empty());
}

TEST(Answers, TellKeysThatAreLent) {
  const auto keys = read_role_keys(
      "<AssumeRoleWithWebIdentityResponse "
      "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>"
      "<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>"
      "<Expiration>2026-11-23T08:15:30Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
      "</AssumeRoleWithWebIdentityResponse>");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->access_key + keys->secret_key + keys->session_token + keys->expiration, "AST2026-11-23T08:15:30Z");
}

}  // namespace
}  // namespace slipway::s3
