#include "access/access.hpp"

#include "base/digest.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <thread>

namespace slipway::access {
namespace {

// Of the passwords U*U and U*U*; see htpasswd_test.cpp.
const std::string alice = "alice:$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";
const std::string bob = "bob:$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK\n";
const std::string token(64, 't');

std::string basic(std::string_view credentials) {
  std::string out(credentials.size() * 2 + 8, '\0');
  const auto size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(credentials.data()), static_cast<int>(credentials.size()));
  return "Basic " + out.substr(0, static_cast<std::size_t>(size));
}

class AccessTest : public testing::Test {
protected:
  AccessTest() { write_users(alice + bob); }

  /// Replaces the users' file; each time its date is a second later, so that the change shows.
  void write_users(const std::string& text) {
    m_directory.write("users", text);
    m_changed_at += std::chrono::seconds(1);
    std::filesystem::last_write_time(m_users, m_changed_at);
  }

  std::unique_ptr<Access> open(Settings settings = {}) {
    settings.htpasswd = m_users;
    settings.admin_token_sha256 = to_hex(digest_of(as_bytes(token)).value());
    return std::move(Access::open(std::move(settings)).value());
  }

  /// Whose name, or the failure in parentheses.
  static std::string who(Access& access, std::string_view authorization) {
    const auto principal = access.identify(authorization);
    if (!principal) return std::string("(") + name_of(principal.error().failure) + ")";
    return principal->name + (principal->admin ? "!" : "") + (principal->anonymous ? "?" : "");
  }

  test::TempDirectory m_directory;
  const std::filesystem::path m_users = m_directory / "users";
  std::filesystem::file_time_type m_changed_at = std::filesystem::file_time_type::clock::now();
};

TEST_F(AccessTest, KnowsUsersByTheirPassword) {
  const auto access = open();
  EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
  EXPECT_EQ(who(*access, basic("bob:U*U*")), "bob");
  EXPECT_EQ(who(*access, basic("alice:U*U*")), "(denied)");
  EXPECT_EQ(who(*access, basic("alice:")), "(denied)");
  EXPECT_EQ(who(*access, basic("carol:U*U")), "(denied)");
  EXPECT_EQ(who(*access, basic(":U*U")), "(denied)");
}

TEST_F(AccessTest, TakesTheSchemeInAnyCase) {
  const auto access = open();
  EXPECT_EQ(who(*access, "bAsIc" + basic("alice:U*U").substr(5)), "alice");
  EXPECT_EQ(who(*access, "Basic   " + basic("alice:U*U").substr(6)), "alice");
  EXPECT_EQ(who(*access, "BEARER " + token), "admin-token!");
}

TEST_F(AccessTest, SomeTagsAreOnlyForSome) {
  const auto access = open(
      {.admins = {"bob"}, .approvals = {parse_approval("site@live alice").value(), parse_approval("*@v1").value()}});
  const auto may = [&](const std::string& user, const std::string& repository, const std::string& tag) {
    return access->expect_approval({user, user == "anonymous", user == "bob"}, repository, tag).has_value();
  };
  EXPECT_TRUE(may("alice", "site", "live"));
  EXPECT_TRUE(may("bob", "site", "live"));
  EXPECT_FALSE(may("carol", "site", "live"));
  EXPECT_FALSE(may("anonymous", "site", "live"));
  EXPECT_TRUE(may("carol", "site", "staging"));
  EXPECT_TRUE(may("carol", "other", "live"));
  EXPECT_FALSE(may("alice", "other", "v1"));
  EXPECT_EQ(access->approved_tags("site"), (std::vector<std::string>{"live", "v1"}));
  const auto refused = access->expect_approval({"carol"}, "site", "live");
  EXPECT_EQ(refused.error().message, "carol may not move 'live' of repository 'site', which demands approval; who may: "
                                     "alice, and administrators");
}

TEST_F(AccessTest, ApprovalsSayWhereAndWho) {
  const auto approval = parse_approval("team/site@live alice bob").value();
  EXPECT_EQ(approval.repository, "team/site");
  EXPECT_EQ(approval.tag, "live");
  EXPECT_EQ(approval.users, (std::vector<std::string>{"alice", "bob"}));
  for (const auto* text : {"", "site", "@live", "site@", "alice site@live"}) EXPECT_FALSE(parse_approval(text)) << text;
}

TEST_F(AccessTest, GivesTokensForWhatTheirOwnerMayDo) {
  const auto access = open({.anonymous = Anonymous::pull});
  const std::vector<Grant> wanted{{"a", {Action::pull, Action::push, Action::remove}}, {"", {Action::pull}}};
  const auto by_token = [&](const std::string& authorization) {
    const auto owner = access->identify(authorization).value();
    return access->identify("Bearer " + access->issue_token(owner, wanted).token).value();
  };
  const auto alice_by_token = by_token(basic("alice:U*U"));
  EXPECT_EQ(alice_by_token.name, "alice");
  EXPECT_TRUE(access->may(alice_by_token, Action::remove, "a"));
  EXPECT_FALSE(access->may(alice_by_token, Action::pull, "b"));
  EXPECT_TRUE(access->is_entitled(alice_by_token, Action::pull, "b"));
  EXPECT_FALSE(access->may(alice_by_token, Action::admin, "a"));

  const auto anonymous = by_token("");
  EXPECT_TRUE(anonymous.anonymous);
  EXPECT_TRUE(access->may(anonymous, Action::pull, "a"));
  EXPECT_TRUE(access->may(anonymous, Action::pull, ""));
  EXPECT_FALSE(access->may(anonymous, Action::push, "a"));
  EXPECT_FALSE(access->is_entitled(anonymous, Action::push, "a"));
}

TEST_F(AccessTest, ATokenIsNoGoodForAdministrationWhoeverOwnsIt) {
  const auto access = open({.admins = {"alice"}});
  for (const auto& authorization : {basic("alice:U*U"), "Bearer " + token}) {
    const auto owner = access->identify(authorization).value();
    ASSERT_TRUE(access->may(owner, Action::admin, "a"));
    const auto given = access->issue_token(owner, {{"a", {Action::pull, Action::admin}}});
    EXPECT_FALSE(access->may(access->identify("Bearer " + given.token).value(), Action::admin, "a"));
  }
}

TEST_F(AccessTest, EndsAUsersTokensWithTheUser) {
  const auto access = open();
  const auto given = access->issue_token(access->identify(basic("alice:U*U")).value(), {}).token;
  EXPECT_EQ(who(*access, "Bearer " + given), "alice");
  write_users(bob);
  ASSERT_TRUE(access->reload_if_changed().value());
  EXPECT_EQ(who(*access, "Bearer " + given), "(denied)");
}

TEST_F(AccessTest, KnowsTokensOfItsReplicas) {
  const auto one = open({.token_key = "shared"});
  const auto two = open({.token_key = "shared"});
  const auto stranger = open();
  const auto given = one->issue_token(one->identify(basic("alice:U*U")).value(), {}).token;
  EXPECT_EQ(who(*two, "Bearer " + given), "alice");
  EXPECT_EQ(who(*stranger, "Bearer " + given), "(denied)");
}

TEST_F(AccessTest, LetsTheRightPasswordInAfterTheWrongOne) {
  const auto access = open();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(who(*access, basic("alice:wrong")), "(denied)");
    EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
  }
}

TEST_F(AccessTest, DoesNotTakeOnePersonsProofForAnothers) {
  const auto access = open();
  EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
  EXPECT_EQ(who(*access, basic("bob:U*U")), "(denied)");
  EXPECT_EQ(who(*access, basic("alic:eU*U")), "(denied)");
}

TEST_F(AccessTest, NobodyIsAnonymous) {
  const auto access = open();
  EXPECT_EQ(who(*access, ""), "anonymous?");
  EXPECT_EQ(who(*access, basic(":")), "anonymous?");  // what podman sends when it knows no credentials
}

TEST_F(AccessTest, KnowsTheAdminTokenInBothPlaces) {
  const auto access = open();
  EXPECT_EQ(who(*access, "Bearer " + token), "admin-token!");
  EXPECT_EQ(who(*access, basic("anybody:" + token)), "admin-token!");
  EXPECT_EQ(who(*access, "Bearer " + token + "x"), "(denied)");
  EXPECT_EQ(who(*access, "Bearer " + token.substr(1)), "(denied)");
  EXPECT_EQ(who(*access, "Bearer "), "(denied)");
  EXPECT_EQ(who(*access, "Bearer"), "(denied)");
}

TEST_F(AccessTest, WithoutATokenNobodyHasIt) {
  const auto access = std::move(Access::open({}).value());
  EXPECT_EQ(who(*access, "Bearer " + token), "(denied)");
  EXPECT_EQ(who(*access, "Bearer "), "(denied)");
  EXPECT_EQ(who(*access, basic("x:" + token)), "(denied)");
}

TEST_F(AccessTest, RefusesCredentialsItCannotRead) {
  const auto access = open();
  for (const auto* text : {"Basic", "Basic ", "Basic =", "Basic ====", "Basic a", "Basic !!!!", "Basic YWxpY2U",
                           "Basic YWxpY2U=", "Basic YWxpY2U6VSpV\n", "Basic YWxp Y2U6VSpV", "Digest x", "x", " ",
                           "Basic     ", "Basic \t\t\t="})
    EXPECT_EQ(who(*access, text), "(denied)") << text;
  EXPECT_EQ(who(*access, "Basic " + std::string(1U << 20, 'A')), "(denied)");
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(who(*access, "Basic YWx" + std::string(1, static_cast<char>(byte))), "(denied)") << byte;
}

TEST_F(AccessTest, MarksAdministrators) {
  const auto access = open({.admins = {"bob"}});
  EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
  EXPECT_EQ(who(*access, basic("bob:U*U*")), "bob!");
}

TEST_F(AccessTest, AnswersAsTheTableSays) {
  const Principal nobody{"anonymous", true, false};
  const Principal user{"alice", false, false};
  const Principal admin{"root", false, true};
  struct Row {
    Anonymous anonymous;
    bool pull, push, remove, admin;
  };
  for (const auto& row :
       {Row{Anonymous::nothing, false, false, false, false}, Row{Anonymous::pull, true, false, false, false},
        Row{Anonymous::push, true, true, false, false}, Row{Anonymous::everything, true, true, true, true}}) {
    const auto access = open({.anonymous = row.anonymous});
    EXPECT_EQ(access->may(nobody, Action::pull, "a"), row.pull);
    EXPECT_EQ(access->may(nobody, Action::push, "a"), row.push);
    EXPECT_EQ(access->may(nobody, Action::remove, "a"), row.remove);
    EXPECT_EQ(access->may(nobody, Action::admin, ""), row.admin);
    for (const auto action : {Action::pull, Action::push, Action::remove}) EXPECT_TRUE(access->may(user, action, "a"));
    EXPECT_FALSE(access->may(user, Action::admin, ""));
    for (const auto action : {Action::pull, Action::push, Action::remove, Action::admin})
      EXPECT_TRUE(access->may(admin, action, "a"));
  }
}

TEST_F(AccessTest, AsksForALoginWhereOneIsOfUse) {
  const auto token_alone = [](Anonymous anonymous) {
    return Access::open({.anonymous = anonymous, .admin_token_sha256 = std::string(64, '0')}).value()->wants_login();
  };
  EXPECT_TRUE(open()->wants_login());
  EXPECT_TRUE(open({.anonymous = Anonymous::pull})->wants_login());
  EXPECT_TRUE(token_alone(Anonymous::pull));
  EXPECT_FALSE(token_alone(Anonymous::everything));  // the development default bothers nobody
  EXPECT_FALSE(Access::open({.anonymous = Anonymous::pull}).value()->wants_login());
}

TEST_F(AccessTest, ReadsItsUsersAgainWhenTheyChange) {
  const auto access = open();
  EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
  EXPECT_EQ(access->reload_if_changed(), false);
  write_users(bob);
  EXPECT_EQ(access->reload_if_changed(), true);
  EXPECT_EQ(who(*access, basic("alice:U*U")), "(denied)");  // proven before, and gone all the same
  EXPECT_EQ(who(*access, basic("bob:U*U*")), "bob");
  EXPECT_EQ(access->reload_if_changed(), false);
}

TEST_F(AccessTest, KeepsItsUsersWhereTheNewOnesAreBroken) {
  const auto access = open();
  write_users("alice:plain text\n");
  const auto reloaded = access->reload_if_changed();
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.error().failure, Failure::invalid);
  EXPECT_NE(reloaded.error().message.find(m_users.string()), std::string::npos);
  EXPECT_NE(reloaded.error().message.find("line 1"), std::string::npos);
  EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
  std::filesystem::remove(m_users);
  EXPECT_FALSE(access->reload_if_changed());
  EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
  write_users(bob);
  EXPECT_EQ(access->reload_if_changed(), true);
  EXPECT_EQ(who(*access, basic("alice:U*U")), "(denied)");
}

TEST_F(AccessTest, DoesNotOpenWithoutItsUsers) {
  std::filesystem::remove(m_users);
  EXPECT_EQ(Access::open({.htpasswd = m_users}).error().failure, Failure::not_found);
  write_users("junk\n");
  EXPECT_EQ(Access::open({.htpasswd = m_users}).error().failure, Failure::invalid);
}

TEST_F(AccessTest, ChecksManyLoginsAtOnce) {
  const auto access = open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 5; ++n) {
        const auto seen = who(*access, basic(i % 3 ? "alice:U*U" : "alice:wrong"));
        EXPECT_TRUE(seen == (i % 3 ? "alice" : "(denied)") || seen == "(busy)") << seen;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(who(*access, basic("alice:U*U")), "alice");
}

TEST(AnonymousNamed, ReadsTheFourAndNothingElse) {
  EXPECT_EQ(anonymous_named("none"), Anonymous::nothing);
  EXPECT_EQ(anonymous_named("pull"), Anonymous::pull);
  EXPECT_EQ(anonymous_named("push"), Anonymous::push);
  EXPECT_EQ(anonymous_named("all"), Anonymous::everything);
  for (const auto* name : {"", "None", "read", "everything"}) EXPECT_FALSE(anonymous_named(name)) << name;
}

}  // namespace
}  // namespace slipway::access
