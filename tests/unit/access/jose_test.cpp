#include "access/jose.hpp"

#include <gtest/gtest.h>

namespace slipway::access {
namespace {

// RFC 7515 appendix A.1.
constexpr std::string_view rfc_header = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}";
constexpr std::string_view rfc_payload =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
constexpr std::string_view rfc_key_text =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
constexpr std::string_view rfc_token =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

std::string rfc_key() { return from_base64url(rfc_key_text).value(); }

TEST(Base64url, IsRfc4648sWithoutPadding) {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      // RFC 4648 §10
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64url(bytes), text);
    EXPECT_EQ(from_base64url(text), bytes);
  }
  // RFC 7515 appendix C.
  EXPECT_EQ(base64url(std::string("\x03\xec\xff\xe0\xc1", 5)), "A-z_4ME");
  EXPECT_EQ(from_base64url("A-z_4ME"), std::string("\x03\xec\xff\xe0\xc1", 5));
}

TEST(Base64url, HasOneTextForOneValue) {
  for (const auto* text : {"Z", "Zg==", "Zh", "Zm9", "Zm9vY", "Zm+v", "Zm/v", "Zm 9", "Zm9v\n", "=", "Zm9vYmFyZ"})
    EXPECT_EQ(from_base64url(text), std::nullopt) << text;
}

TEST(Jws, IsTheOneOfRfc7515) {
  EXPECT_EQ(sign_jws(rfc_header, rfc_payload, rfc_key()), rfc_token);
  EXPECT_EQ(verify_jws(rfc_token, rfc_key()), std::string(rfc_payload));
}

TEST(Jws, RefusesEveryChangedByte) {
  for (std::size_t i = 0; i < rfc_token.size(); ++i) {
    std::string changed(rfc_token);
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto read = verify_jws(changed, rfc_key());
    ASSERT_FALSE(read) << i;
    EXPECT_EQ(read.error().failure, Failure::denied);
  }
  for (std::size_t size = 0; size < rfc_token.size(); ++size)
    EXPECT_FALSE(verify_jws(rfc_token.substr(0, size), rfc_key()));
}

TEST(Jws, RefusesAnotherKey) {
  EXPECT_FALSE(verify_jws(rfc_token, rfc_key() + "x"));
  EXPECT_FALSE(verify_jws(rfc_token, ""));
}

TEST(Jws, TriesNoOtherAlgorithm) {
  const auto key = rfc_key();
  for (const auto* header :
       {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"HS512"})", R"({"alg":"RS256"})", R"({"alg":"hs256"})",
        R"({"alg":["HS256"]})", R"({"typ":"JWT"})", R"([])", R"("HS256")", "", R"({"alg":"HS256","crit":["exp"]})"})
    EXPECT_FALSE(verify_jws(sign_jws(header, "{}", key), key)) << header;
  const auto unsigned_token = base64url(R"({"alg":"none"})") + "." + base64url("{}") + ".";
  EXPECT_FALSE(verify_jws(unsigned_token, key));
  EXPECT_TRUE(verify_jws(sign_jws(R"({"alg":"HS256"})", "{}", key), key));
}

TEST(Jws, RefusesWhatIsTooLong) {
  const auto key = rfc_key();
  EXPECT_TRUE(verify_jws(sign_jws(R"({"alg":"HS256"})", std::string(20'000, 'x'), key), key));
  EXPECT_FALSE(verify_jws(sign_jws(R"({"alg":"HS256"})", std::string(40'000, 'x'), key), key));
}

}  // namespace
}  // namespace slipway::access
