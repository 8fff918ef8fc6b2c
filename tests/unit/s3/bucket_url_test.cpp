#include "s3/bucket_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::s3 {
namespace {

Result<BucketUrl> parse(std::string_view text, const std::string& region = {}) {
  return parse_bucket_url(text, [&](const char* name) { return std::string_view(name) == "AWS_REGION" ? region : ""; });
}

TEST(BucketUrl, SaysWhereAStoreIs) {
  const auto url = parse("s3://images/some/prefix?endpoint=http://127.0.0.1:9000&region=eu-1");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->bucket.bucket, "images");
  EXPECT_EQ(url->bucket.endpoint, "http://127.0.0.1:9000");
  EXPECT_EQ(url->bucket.region, "eu-1");
  EXPECT_EQ(url->bucket.style, Style::path);
  EXPECT_EQ(url->prefix, "some/prefix/");
}

TEST(BucketUrl, TakesAPrefixWithAndWithoutASlash) {
  for (const auto* text : {"s3://images/p", "s3://images/p/"}) EXPECT_EQ(parse(text)->prefix, "p/");
  for (const auto* text : {"s3://images", "s3://images/", "s3://images/?region=r"}) EXPECT_EQ(parse(text)->prefix, "");
}

TEST(BucketUrl, LeavesOutAPortThatGoesWithoutSaying) {
  EXPECT_EQ(parse("s3://images?endpoint=https://s3.example.org:443/")->bucket.endpoint, "https://s3.example.org");
  EXPECT_EQ(parse("s3://images?endpoint=http://s3.example.org:80")->bucket.endpoint, "http://s3.example.org");
  for (const std::string endpoint : {"http://s3.example.org:443", "https://s3.example.org:8443", "http://[::1]:8080"})
    EXPECT_EQ(parse("s3://images?endpoint=" + endpoint)->bucket.endpoint, endpoint);
}

TEST(BucketUrl, KnowsAws) {
  const auto url = parse("s3://images", "eu-west-1");
  EXPECT_EQ(url->bucket.endpoint, "https://s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(url->bucket.style, Style::virtual_host);
  EXPECT_EQ(parse("s3://images?style=path")->bucket.style, Style::path);
  EXPECT_EQ(parse("s3://images?style=virtual-host&endpoint=https://h/")->bucket.style, Style::virtual_host);
  EXPECT_EQ(parse("s3://images?endpoint=https://h/")->bucket.endpoint, "https://h");
}

TEST(BucketUrl, TellsHowObjectsAreKept) {
  const auto url = parse("s3://images?storage_class=STANDARD_IA&sse=aws%3Akms&sse_key=a%26b&ca=/etc/ca.pem");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->bucket.ca_file, "/etc/ca.pem");
  EXPECT_EQ(url->bucket.new_object_headers, (Fields{{"x-amz-server-side-encryption", "aws:kms"},
                                                    {"x-amz-server-side-encryption-aws-kms-key-id", "a&b"},
                                                    {"x-amz-storage-class", "STANDARD_IA"}}));
}

TEST(BucketUrl, SaysWhatIsWrong) {
  for (const auto& [text, problem] : {std::pair{"http://images", "s3://"},
                                      {"s3://", "no bucket's name"},
                                      {"s3://a", "no bucket's name"},
                                      {"s3://a b c", "no bucket's name"},
                                      {"s3://images/a//b", "prefix"},
                                      {"s3://images/a b", "prefix"},
                                      {"s3://images?region", "no value"},
                                      {"s3://images?region=", "no value"},
                                      {"s3://images?regoin=r", "'regoin' is not known"},
                                      {"s3://images?style=dns", "style is"},
                                      {"s3://images?endpoint=h:80", "endpoint"},
                                      {"s3://images?endpoint=http://h/p", "endpoint"},
                                      {"s3://images?region=%zz", "expected s3://"}}) {
    const auto url = parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().failure, Failure::invalid);
    EXPECT_THAT(url.error().message, testing::HasSubstr(problem)) << text;
  }
}

}  // namespace
}  // namespace slipway::s3
