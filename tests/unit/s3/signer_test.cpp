// The examples that AWS publishes, and what other signers get wrong.

#include "s3/signer.hpp"

#include "base/digest.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace slipway::s3 {
namespace {

using namespace std::chrono_literals;

const Credentials example{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const Timestamp example_day{std::chrono::sys_days{std::chrono::May / 24 / 2013}};
constexpr auto example_host = "examplebucket.s3.amazonaws.com";

std::string sha256_of(std::string_view text) { return to_hex(digest_of(as_bytes(text)).value()); }

std::string field(const SignedRequest& request, std::string_view name) {
  for (const auto& [known, value] : request.headers)
    if (known == name) return value;
  return "(absent)";
}

SignedRequest sign_example(Request request) {
  request.host = example_host;
  if (request.payload_sha256 == unsigned_payload) request.payload_sha256 = sha256_of("");
  return sign(request, example, "us-east-1", example_day);
}

/// "GET Bucket Lifecycle", S3 API Reference.
TEST(SignerTest, SignsAFlagWithoutAValue) {
  const auto signed_request = sign_example({.method = "GET", .path = "/", .query = {{"lifecycle", ""}}});
  EXPECT_EQ(signed_request.target, "/?lifecycle=");
  EXPECT_EQ(field(signed_request, "x-amz-date"), "20130524T000000Z");
  EXPECT_EQ(field(signed_request, "Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
            "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

/// "Get Bucket (List Objects)", S3 API Reference.
TEST(SignerTest, SignsAQueryInAnyOrder) {
  const auto one = sign_example({.method = "GET", .path = "/", .query = {{"prefix", "J"}, {"max-keys", "2"}}});
  const auto other = sign_example({.method = "GET", .path = "/", .query = {{"max-keys", "2"}, {"prefix", "J"}}});
  EXPECT_EQ(one.target, "/?max-keys=2&prefix=J");
  EXPECT_TRUE(field(one, "Authorization")
                  .ends_with("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
  EXPECT_EQ(field(other, "Authorization"), field(one, "Authorization"));
}

/// "Authenticating Requests: Using Query Parameters", S3 API Reference.
TEST(SignerTest, PresignsAUrl) {
  const auto target =
      presign({.method = "GET", .host = example_host, .path = "/test.txt"}, example, "us-east-1", example_day, 86'400s);
  EXPECT_EQ(target, "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SignerTest, EncodesAPathOnceAndKeepsItsSlashes) {
  EXPECT_EQ(sign_example({.method = "GET", .path = "/b/sha256:ab+c d/é~_-."}).target,
            "/b/sha256%3Aab%2Bc%20d/%C3%A9~_-.");
  EXPECT_EQ(sign_example({.method = "GET", .path = "/b//../x"}).target, "/b//../x");
}

TEST(SignerTest, SortsAQueryAsItIsEncoded) {
  // As texts, "a" < "a-b" < "aé"; encoded, "a%C3%A9" comes before "a-b".
  const auto query =
      sign_example({.method = "GET", .path = "/", .query = {{"a-b", "1"}, {"a", "3"}, {"a", "2"}, {"aé", "4"}}});
  EXPECT_EQ(query.target, "/?a=2&a=3&a%C3%A9=4&a-b=1");
}

TEST(SignerTest, SignsTheTokenOfKeysThatExpire) {
  const Credentials temporary{"AKIA", "secret", "tok/en+="};
  const Request request{.method = "GET", .host = "h", .path = "/b/k"};
  const auto by_header = sign(request, temporary, "r", example_day);
  EXPECT_EQ(field(by_header, "x-amz-security-token"), "tok/en+=");
  EXPECT_NE(field(by_header, "Authorization").find("x-amz-date;x-amz-security-token,"), std::string::npos);
  const auto by_url = presign(request, temporary, "r", example_day, 60s);
  EXPECT_NE(by_url.find("&X-Amz-Security-Token=tok%2Fen%2B%3D&"), std::string::npos) << by_url;
}

TEST(SignerTest, SignsFieldsInOrderOfTheirNamesAndWithoutSpareSpaces) {
  const auto names = [](const SignedRequest& request) {
    const auto text = field(request, "Authorization");
    const auto begin = text.find("SignedHeaders=") + 14;
    return text.substr(begin, text.find(',', begin) - begin);
  };
  const auto plain = sign_example(
      {.method = "PUT", .path = "/b/k", .amz_headers = {{"x-amz-meta-test-two", "a b"}, {"x-amz-meta-test", "1"}}});
  EXPECT_EQ(names(plain), "host;x-amz-content-sha256;x-amz-date;x-amz-meta-test;x-amz-meta-test-two");
  const auto spaced = sign_example({.method = "PUT",
                                    .path = "/b/k",
                                    .amz_headers = {{"x-amz-meta-test-two", "  a   b "}, {"x-amz-meta-test", "1"}}});
  EXPECT_EQ(field(spaced, "Authorization"), field(plain, "Authorization"));
  EXPECT_EQ(field(spaced, "x-amz-meta-test-two"), "  a   b ");
}

TEST(SignerTest, EveryPartMatters) {
  const Request base{.method = "GET", .host = "h", .path = "/b/k"};
  const auto signature = [](const Request& request, const Credentials& credentials = example,
                            const std::string& region = "r", Timestamp now = example_day) {
    const auto text = field(sign(request, credentials, region, now), "Authorization");
    return text.substr(text.find("Signature="));
  };
  std::vector<std::string> all{signature(base)};
  for (const auto& change : {
           +[](Request& request) { request.method = "PUT"; },
           +[](Request& request) { request.host = "g"; },
           +[](Request& request) { request.path = "/b/l"; },
           +[](Request& request) { request.query = {{"uploads", ""}}; },
           +[](Request& request) { request.amz_headers = {{"x-amz-acl", "private"}}; },
           +[](Request& request) { request.payload_sha256 = sha256_of("x"); },
       }) {
    auto changed = base;
    change(changed);
    all.push_back(signature(changed));
  }
  all.push_back(signature(base, {"other", example.secret_key, ""}, "r", example_day));
  all.push_back(signature(base, {example.access_key, "other", ""}));
  all.push_back(signature(base, example, "s"));
  all.push_back(signature(base, example, "r", example_day + 1s));
  // The key's name is told, not signed.
  EXPECT_EQ(all[7], all[0]);
  all.erase(all.begin() + 7);
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

}  // namespace
}  // namespace slipway::s3
