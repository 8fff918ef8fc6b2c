#include "access/tokens.hpp"

#include "access/jose.hpp"
#include "support/manual_clock.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace slipway::access {
namespace {

using enum Action;

TEST(Scope, IsReadAsClientsWriteIt) {
  EXPECT_EQ(parse_scope("repository:library/busybox:pull,push"), (Grant{"library/busybox", {pull, push}}));
  EXPECT_EQ(parse_scope("repository:a:*"), (Grant{"a", {pull, push, remove}}));
  EXPECT_EQ(parse_scope("repository:a:delete"), (Grant{"a", {remove}}));
  EXPECT_EQ(parse_scope("repository(plugin):a:pull"), (Grant{"a", {pull}}));
  EXPECT_EQ(parse_scope("repository:host:5000/a:pull"), (Grant{"host:5000/a", {pull}}));
  EXPECT_EQ(parse_scope("registry:catalog:*"), (Grant{"", {pull, push, remove}}));
  EXPECT_EQ(parse_scope("repository:a:pull,pull,fly,,admin"), (Grant{"a", {pull}}));
  EXPECT_EQ(parse_scope("repository:a:"), (Grant{"a", {}}));
}

TEST(Scope, OfOtherThingsIsNone) {
  for (const auto* scope : {"", ":", "::", "repository", "repository:a", "repository::pull", "registry:other:*",
                            "plugin:a:pull", "repositoryx:a:pull", "a:b:c"})
    EXPECT_EQ(parse_scope(scope), std::nullopt) << scope;
}

TEST(Scope, OfAnActionIsReadBack) {
  for (const auto action : {pull, push, remove}) {
    const auto grant = parse_scope(scope_of(action, "a/b"));
    ASSERT_TRUE(grant);
    EXPECT_EQ(grant->name, "a/b");
    EXPECT_NE(std::ranges::find(grant->actions, action), grant->actions.end());
  }
  EXPECT_EQ(scope_of(pull, ""), "registry:catalog:*");
}

class TokensTest : public testing::Test {
protected:
  static constexpr std::chrono::seconds lifetime{300};
  test::ManualClock m_clock;
  const Tokens m_tokens{"a key", lifetime, m_clock};
  const std::vector<Grant> m_grants{{"a", {pull, push}}, {"", {pull}}, {"nothing", {}}};
};

TEST_F(TokensTest, SayWhoTheirBearerIsAndWhatTheyAreGoodFor) {
  const auto issued = m_tokens.issue({.name = "alice", .anonymous = false}, m_grants);
  EXPECT_EQ(issued.lifetime, lifetime);
  EXPECT_EQ(issued.issued_at, m_clock.now());
  const auto who = m_tokens.read(issued.token);
  ASSERT_TRUE(who) << who.error().message;
  EXPECT_EQ(who->name, "alice");
  EXPECT_FALSE(who->anonymous);
  EXPECT_FALSE(who->admin);
  EXPECT_EQ(who->grants, (std::vector<Grant>{{"a", {pull, push}}, {"", {pull}}}));
}

TEST_F(TokensTest, KeepAnonymousAndTheAdminTokenApartFromUsersOfThatName) {
  const auto anonymous = m_tokens.read(m_tokens.issue({.name = "anonymous"}, {}).token);
  EXPECT_TRUE(anonymous->anonymous);
  EXPECT_TRUE(anonymous->grants->empty());
  const auto admin =
      m_tokens.read(m_tokens.issue({.name = "admin-token", .anonymous = false, .admin = true}, {}).token);
  EXPECT_TRUE(admin->admin);
  for (const auto* name : {"anonymous", "admin-token"}) {
    const auto user = m_tokens.read(m_tokens.issue({.name = name, .anonymous = false}, {}).token);
    EXPECT_EQ(user->name, name);
    EXPECT_FALSE(user->anonymous);
    EXPECT_FALSE(user->admin);
  }
  // What an administrator may do is looked up anew, never taken from a token.
  EXPECT_FALSE(m_tokens.read(m_tokens.issue({.name = "root", .anonymous = false, .admin = true}, {}).token)->admin);
}

TEST_F(TokensTest, AreGoodUntilTheyExpire) {
  const auto token = m_tokens.issue({.name = "alice", .anonymous = false}, {}).token;
  m_clock.advance(lifetime - std::chrono::seconds(1));
  EXPECT_TRUE(m_tokens.read(token));
  m_clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(m_tokens.read(token).error().failure, Failure::denied);
}

TEST_F(TokensTest, OfAReplicaWhoseClockIsABitAheadAreGood) {
  test::ManualClock ahead;
  ahead.advance(std::chrono::seconds(30));
  EXPECT_TRUE(m_tokens.read(Tokens("a key", lifetime, ahead).issue({}, {}).token));
  ahead.advance(std::chrono::hours(1));
  EXPECT_FALSE(m_tokens.read(Tokens("a key", lifetime, ahead).issue({}, {}).token));
}

TEST_F(TokensTest, OfAnotherKeyOrMakerAreRefused) {
  EXPECT_FALSE(m_tokens.read(Tokens("another key", lifetime, m_clock).issue({}, {}).token));
  for (const auto* payload :
       {"", "{}", "[]", R"({"iss":"slipway"})", R"({"iss":"other","aud":"slipway","exp":9999999999,"kind":"user"})",
        R"({"iss":"slipway","aud":"other","exp":9999999999})", R"({"iss":"slipway","aud":"slipway"})",
        R"({"iss":"slipway","aud":"slipway","exp":"9999999999"})", R"({"iss":"slipway","aud":"slipway","exp":[1]})"})
    EXPECT_FALSE(m_tokens.read(sign_jws(R"({"alg":"HS256"})", payload, "a key"))) << payload;
  for (const auto* token : {"", ".", "..", "...", "a.b.c"}) EXPECT_FALSE(m_tokens.read(token)) << token;
}

}  // namespace
}  // namespace slipway::access
