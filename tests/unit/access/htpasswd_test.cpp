#include "access/htpasswd.hpp"

#include <gtest/gtest.h>

namespace slipway::access {
namespace {

// Published test vectors of crypt_blowfish: the passwords are U*U and U*U*.
const std::string hash_uu = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const std::string hash_uuu = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK";

TEST(HtpasswdParse, ReadsUsersAndSkipsTheRest) {
  const auto users = Htpasswd::parse("# users\n\nalice:" + hash_uu + "\r\n\nbob:" + hash_uuu);
  ASSERT_TRUE(users) << users.error().message;
  EXPECT_EQ(users->size(), 2U);
  EXPECT_EQ(users->hash_of("alice"), hash_uu);
  EXPECT_EQ(users->hash_of("bob"), hash_uuu);
  EXPECT_EQ(users->hash_of("carol"), std::nullopt);
  EXPECT_EQ(users->hash_of(""), std::nullopt);
}

TEST(HtpasswdParse, AnEmptyFileHasNoUsers) {
  EXPECT_EQ(Htpasswd::parse("")->size(), 0U);
  EXPECT_EQ(Htpasswd::parse("\n# nobody\n")->size(), 0U);
}

TEST(HtpasswdParse, TakesTheLastLineOfAUser) {
  EXPECT_EQ(Htpasswd::parse("a:" + hash_uu + "\na:" + hash_uuu + "\n")->hash_of("a"), hash_uuu);
}

TEST(HtpasswdParse, NamesTheLineItCannotUse) {
  for (const auto* line : {"alice", ":hash", "alice:", "alice:plain", "alice:{SHA}5baa61e4c9b93f3f0682250b6cf8331b",
                           "alice:$apr1$salt$hashhashhashhashhashha", "alice:$2y$05$tooshort", "alice:$6$salt$hash"}) {
    const auto users = Htpasswd::parse("# one\nbob:" + hash_uu + "\n" + line + "\n");
    ASSERT_FALSE(users) << line;
    EXPECT_EQ(users.error().failure, Failure::invalid);
    EXPECT_TRUE(users.error().message.starts_with("line 3:")) << users.error().message;
  }
}

TEST(HtpasswdParse, NeverRepeatsAHashInItsMessage) {
  const auto users = Htpasswd::parse("alice:topsecret\n");
  EXPECT_EQ(users.error().message.find("topsecret"), std::string::npos);
}

TEST(Matches, TellsTheRightPasswordFromTheWrong) {
  EXPECT_TRUE(matches("U*U", hash_uu));
  EXPECT_TRUE(matches("U*U*", hash_uuu));
  for (const auto* password : {"", "u*u", "U*U*", "U*U ", "U*"}) EXPECT_FALSE(matches(password, hash_uu)) << password;
  EXPECT_FALSE(matches(std::string("U*U\0", 4), hash_uu));  // crypt stops at the NUL
}

TEST(Matches, UnderstandsWhatHtpasswdWrites) {
  auto written = hash_uu;
  written[2] = 'y';
  EXPECT_TRUE(matches("U*U", written));
  written[2] = 'b';
  EXPECT_TRUE(matches("U*U", written));
}

TEST(Matches, IsFalseForAHashThatIsNone) {
  EXPECT_FALSE(matches("x", ""));
  EXPECT_FALSE(matches("x", "$2y$05$"));
  EXPECT_FALSE(matches("x", std::string(60, '*')));
}

TEST(HtpasswdParse, GivesSomebodysHashToBeAsSlowAs) {
  EXPECT_EQ(Htpasswd::parse("# nobody\n")->any_hash(), std::nullopt);
  const std::string hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
  EXPECT_EQ(Htpasswd::parse("alice:" + hash)->any_hash(), hash);
}

}  // namespace
}  // namespace slipway::access
