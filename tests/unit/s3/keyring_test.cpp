#include "s3/keyring.hpp"

#include "base/fd.hpp"
#include "support/manual_clock.hpp"
#include "support/scripted_server.hpp"
#include "support/temp_directory.hpp"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <thread>

namespace slipway::s3 {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class KeyringTest : public testing::Test {
protected:
  void set(const std::string& name, const std::string& value) { m_variables[name] = value; }
  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file_atomically(m_directory / name, text));
  }

  /// "ACCESS/SECRET/TOKEN", or the failure's message.
  std::string keys() {
    const auto found = ring().get();
    return found ? found->access_key + "/" + found->secret_key + "/" + found->session_token : found.error().message;
  }
  Keyring& ring() {
    if (!m_ring) {
      const auto variables = [this](const char* name) { return m_variables[name]; };
      m_ring = std::make_unique<Keyring>(all_keys(variables, "eu-west-1"), m_clock);
    }
    return *m_ring;
  }

  test::TempDirectory m_directory;
  test::ManualClock m_clock;
  std::map<std::string, std::string> m_variables{{"AWS_EC2_METADATA_DISABLED", "true"}};
  std::unique_ptr<Keyring> m_ring;
};

TEST_F(KeyringTest, TakesTheEnvironmentFirst) {
  set("AWS_ACCESS_KEY_ID", "A");
  set("AWS_SECRET_ACCESS_KEY", "S");
  set("AWS_SESSION_TOKEN", "T");
  EXPECT_EQ(keys(), "A/S/T");
}

TEST_F(KeyringTest, SaysWhatToDoWhereThereAreNone) {
  EXPECT_THAT(keys(), HasSubstr("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
  m_ring.reset();
  set("AWS_ACCESS_KEY_ID", "A");
  EXPECT_THAT(keys(), HasSubstr("only one is set"));
}

TEST_F(KeyringTest, ReadsTheCredentialsFile) {
  ASSERT_TRUE(std::filesystem::create_directory(m_directory / ".aws"));
  write(".aws/credentials", "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=S=\n\n"
                            "[other]\r\naws_access_key_id=B\r\naws_secret_access_key=R\r\naws_session_token=T\r\n");
  set("HOME", m_directory.path().string());
  EXPECT_EQ(keys(), "A/S=/");
  m_ring.reset();
  set("AWS_PROFILE", "other");
  EXPECT_EQ(keys(), "B/R/T");
  m_ring.reset();
  set("AWS_PROFILE", "absent");
  EXPECT_THAT(keys(), HasSubstr("has no keys in its section [absent]"));
  m_ring.reset();
  set("AWS_SHARED_CREDENTIALS_FILE", (m_directory / "absent").string());
  EXPECT_THAT(keys(), HasSubstr("No such file"));
}

TEST_F(KeyringTest, BorrowsByAWebIdentity) {
  const auto lent = [](const char* name, const char* until) {
    return answer(200, fmt::format("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                                   "<AccessKeyId>{}</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T"
                                   "</SessionToken><Expiration>{}</Expiration></Credentials>"
                                   "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
                                   name, until));
  };
  const auto at = [&](int minutes) { return rfc3339(m_clock.now() + std::chrono::minutes(minutes)); };
  ScriptedServer service({lent("A", at(60).c_str()), lent("B", at(120).c_str())});
  write("token", "jw.t+\n");
  set("AWS_WEB_IDENTITY_TOKEN_FILE", (m_directory / "token").string());
  set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
  set("AWS_ENDPOINT_URL_STS", service.url());
  EXPECT_EQ(keys(), "A/S/T");
  EXPECT_THAT(service.last(), HasSubstr("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=slipway"
                                        "&WebIdentityToken=jw.t%2B"));
  m_clock.advance(std::chrono::minutes(50));
  EXPECT_EQ(keys(), "A/S/T");
  m_clock.advance(std::chrono::minutes(6));
  EXPECT_EQ(keys(), "B/S/T");
  m_clock.advance(std::chrono::minutes(60));
  EXPECT_EQ(keys(), "B/S/T");  // the service fails; they have four minutes left
  m_clock.advance(std::chrono::minutes(5));
  EXPECT_THAT(keys(), HasSubstr("lends no keys of arn:aws:iam::1:role/r"));
}

TEST_F(KeyringTest, TakesTheRoleOfItsMachine) {
  ScriptedServer service({answer(200, "proof"), answer(200, "role\n"),
                          answer(200, R"({"AccessKeyId":"A","SecretAccessKey":"S","Token":"T",)"
                                      R"("Expiration":"2999-01-01T00:00:00Z"})")});
  set("AWS_EC2_METADATA_DISABLED", "");
  set("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url());
  EXPECT_EQ(keys(), "A/S/T");
  EXPECT_THAT(service.requests().front(), StartsWith("PUT /latest/api/token "));
  EXPECT_THAT(service.last(), StartsWith("GET /latest/meta-data/iam/security-credentials/role "));
  EXPECT_THAT(service.last(), HasSubstr("X-aws-ec2-metadata-token: proof"));
}

/// A service that answers when it is told to.
class SlowKeys final : public KeySource {
public:
  Result<std::optional<Keys>> fetch() override {
    ++asked;
    const std::lock_guard lock(answering);
    return answer;
  }
  std::atomic<int> asked = 0;
  std::mutex answering;
  Result<std::optional<Keys>> answer{std::nullopt};
};

TEST_F(KeyringTest, GoesOnWithGoodKeysWhileOneAsksForOthers) {
  std::vector<std::unique_ptr<KeySource>> sources;
  sources.push_back(std::make_unique<SlowKeys>());
  auto& service = static_cast<SlowKeys&>(*sources.front());
  Keyring ring(std::move(sources), m_clock);
  EXPECT_FALSE(ring.get());
  service.answer = Keys{{"A", "S", ""}, m_clock.now() + std::chrono::minutes(10)};
  m_clock.advance(std::chrono::minutes(1));
  EXPECT_EQ(ring.get()->access_key, "A");
  m_clock.advance(std::chrono::minutes(6));  // it is time for others
  {
    std::unique_lock slow(service.answering);
    service.answer = Keys{{"B", "S", ""}, m_clock.now() + std::chrono::hours(1)};
    const int before = service.asked;
    std::jthread asker([&] { EXPECT_EQ(ring.get()->access_key, "B"); });
    while (service.asked == before) std::this_thread::yield();
    EXPECT_EQ(ring.get()->access_key, "A");
    slow.unlock();
  }
  EXPECT_EQ(ring.get()->access_key, "B");

  m_clock.advance(std::chrono::minutes(56));
  service.answer = std::nullopt;  // as of a machine that does not answer in time
  const int before = service.asked;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ring.get()->access_key, "B");
  EXPECT_EQ(service.asked, before + 1);
  m_clock.advance(std::chrono::seconds(31));
  EXPECT_EQ(ring.get()->access_key, "B");
  EXPECT_EQ(service.asked, before + 2);
  m_clock.advance(std::chrono::minutes(4));
  EXPECT_FALSE(ring.get());
}

TEST_F(KeyringTest, AsksAgainForWhatTheStoreRefuses) {
  set("AWS_ACCESS_KEY_ID", "A");
  set("AWS_SECRET_ACCESS_KEY", "S");
  const auto first = ring().get().value();
  set("AWS_ACCESS_KEY_ID", "B");
  EXPECT_EQ(keys(), "A/S/");
  ring().forget({"another", "S", ""});
  EXPECT_EQ(keys(), "A/S/");
  ring().forget(first);
  EXPECT_EQ(keys(), "B/S/");
}

}  // namespace
}  // namespace slipway::s3
