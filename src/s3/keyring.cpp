#include "s3/keyring.hpp"

#include "base/fd.hpp"
#include "base/json.hpp"
#include "http/client.hpp"
#include "http/target.hpp"
#include "s3/answers.hpp"

#include <cstdlib>
#include <ctime>

namespace slipway::s3 {
namespace {

constexpr auto renew_before = std::chrono::minutes(5);
constexpr std::size_t file_bytes_max = 1U << 20;
constexpr std::size_t answer_bytes = 256U << 10;

/// "2026-11-23T08:15:30Z", a fraction of a second left out. Never, where it cannot be read.
std::optional<Timestamp> time_of(const std::string& text) {
  std::tm parts{};
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return std::nullopt;
  return Timestamp(std::chrono::seconds(::timegm(&parts)));  // from_time_t() overflows in 2262
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view spaces = " \t\r\n";
  const auto first = text.find_first_not_of(spaces);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

class FixedKeys final : public KeySource {
public:
  explicit FixedKeys(Credentials credentials) : m_credentials(std::move(credentials)) {}
  Result<std::optional<Keys>> fetch() override { return Keys{m_credentials, std::nullopt}; }

private:
  const Credentials m_credentials;
};

class EnvironmentKeys final : public KeySource {
public:
  explicit EnvironmentKeys(Environment environment) : m_environment(std::move(environment)) {}

  Result<std::optional<Keys>> fetch() override {
    Credentials found{m_environment("AWS_ACCESS_KEY_ID"), m_environment("AWS_SECRET_ACCESS_KEY"),
                      m_environment("AWS_SESSION_TOKEN")};
    if (found.access_key.empty() && found.secret_key.empty()) return std::nullopt;
    if (found.access_key.empty() || found.secret_key.empty())
      return fail(Failure::unavailable, "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
    return Keys{std::move(found), std::nullopt};
  }

private:
  const Environment m_environment;
};

class WebIdentityKeys final : public KeySource {
public:
  WebIdentityKeys(Environment environment, std::string region)
      : m_environment(std::move(environment)), m_region(std::move(region)) {}

  Result<std::optional<Keys>> fetch() override {
    const auto file = m_environment("AWS_WEB_IDENTITY_TOKEN_FILE");
    const auto role = m_environment("AWS_ROLE_ARN");
    if (file.empty() || role.empty()) return std::nullopt;
    TRY_ASSIGN(const auto token, read_file(file, file_bytes_max));
    auto session = m_environment("AWS_ROLE_SESSION_NAME");
    if (session.empty()) session = "slipway";
    auto service = m_environment("AWS_ENDPOINT_URL_STS");
    if (service.empty()) service = "https://sts." + m_region + ".amazonaws.com";
    const auto form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" + http::percent_encode(role) +
                      "&RoleSessionName=" + http::percent_encode(session) +
                      "&WebIdentityToken=" + http::percent_encode(trimmed(token));
    TRY_ASSIGN(const auto answer, http::fetch({.method = "POST",
                                               .url = service,
                                               .target = "/",
                                               .headers = {"Content-Type: application/x-www-form-urlencoded"},
                                               .body = as_bytes(form),
                                               .answer_bytes_max = answer_bytes}));
    if (answer.status != 200)
      return fail(Failure::unavailable, service + " lends no keys of " + role + ": it answered " +
                                            std::to_string(answer.status) + " " + answer.body.substr(0, 500));
    TRY_ASSIGN(auto keys, read_role_keys(answer.body));
    return Keys{{keys.access_key, keys.secret_key, keys.session_token}, time_of(keys.expiration)};
  }

private:
  const Environment m_environment;
  const std::string m_region;
};

class FileKeys final : public KeySource {
public:
  explicit FileKeys(Environment environment) : m_environment(std::move(environment)) {}

  Result<std::optional<Keys>> fetch() override {
    auto file = m_environment("AWS_SHARED_CREDENTIALS_FILE");
    const bool is_named = !file.empty();
    if (!is_named && m_environment("HOME").empty()) return std::nullopt;
    if (!is_named) file = m_environment("HOME") + "/.aws/credentials";
    const auto text = read_file(file, file_bytes_max);
    if (!text && text.error().failure == Failure::not_found && !is_named) return std::nullopt;
    if (!text) return std::unexpected(text.error());
    const auto profile = m_environment("AWS_PROFILE");
    const auto section = profile.empty() ? "default" : profile;
    if (auto found = read_credentials_file(*text, section)) return Keys{std::move(*found), std::nullopt};
    if (!is_named && profile.empty()) return std::nullopt;
    return fail(Failure::unavailable, file + " has no keys in its section [" + section + "]");
  }

private:
  const Environment m_environment;
};

class MachineKeys final : public KeySource {
public:
  explicit MachineKeys(Environment environment) : m_environment(std::move(environment)) {}

  Result<std::optional<Keys>> fetch() override {
    if (m_environment("AWS_EC2_METADATA_DISABLED") == "true") return std::nullopt;
    auto service = m_environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const bool is_named = !service.empty();
    if (!is_named) service = "http://169.254.169.254";
    const auto token = ask(service, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 300");
    if (!token && !is_named) return std::nullopt;  // no machine of theirs
    if (!token) return std::unexpected(token.error());
    const auto proof = "X-aws-ec2-metadata-token: " + *token;
    const std::string roles = "/latest/meta-data/iam/security-credentials/";
    TRY_ASSIGN(const auto role, ask(service, "GET", roles, proof));
    TRY_ASSIGN(const auto text,
               ask(service, "GET", roles + http::percent_encode(trimmed(role.substr(0, role.find('\n')))), proof));
    TRY_ASSIGN(const auto keys, parse_json(text));
    Keys out{{string_at(keys, "AccessKeyId"), string_at(keys, "SecretAccessKey"), string_at(keys, "Token")},
             time_of(string_at(keys, "Expiration"))};
    if (out.credentials.access_key.empty() || out.credentials.secret_key.empty())
      return fail(Failure::unavailable, service + " answered without keys for this machine's role");
    return out;
  }

private:
  static Result<std::string> ask(const std::string& service, const char* method, const std::string& target,
                                 const std::string& header) {
    constexpr auto near_by = std::chrono::milliseconds(2'000);  // it is on the machine
    TRY_ASSIGN(auto answer, http::fetch({.method = method,
                                         .url = service,
                                         .target = target,
                                         .headers = {header},
                                         .timeout = near_by,
                                         .answer_bytes_max = answer_bytes}));
    if (answer.status != 200)
      return fail(Failure::unavailable,
                  service + target + " answered " + std::to_string(answer.status) + ": has this machine a role?");
    return std::move(answer.body);
  }

  const Environment m_environment;
};

}  // namespace

// ---- the ring

Result<Credentials> Keyring::get() {
  constexpr auto ask_again_after = std::chrono::seconds(30);
  std::unique_lock lock(m_mutex);
  for (bool has_waited = false;; has_waited = true) {
    const auto now = m_clock.now();
    if (m_keys && (!m_keys->expires || now + renew_before < *m_keys->expires)) return m_keys->credentials;
    // Keys that have not quite expired are better than none, and than waiting.
    const bool are_good = m_keys && now < *m_keys->expires;
    if (are_good && (m_is_asking || now < m_ask_again_at)) return m_keys->credentials;
    if (!m_is_asking && has_waited && m_failure) return std::unexpected(*m_failure);
    if (!m_is_asking) break;
    m_asked.wait(lock);
  }
  m_is_asking = true;
  lock.unlock();
  auto found = ask();
  lock.lock();
  m_is_asking = false;
  m_asked.notify_all();
  if (found) {
    m_failure.reset();
    m_keys = std::move(*found);
    return m_keys->credentials;
  }
  m_failure = found.error();
  m_ask_again_at = m_clock.now() + ask_again_after;
  if (m_keys && m_clock.now() < *m_keys->expires) return m_keys->credentials;
  return std::unexpected(found.error());
}

Result<Keys> Keyring::ask() {
  for (const auto& source : m_sources) {
    TRY_ASSIGN(auto found, source->fetch());
    if (found) return std::move(*found);
  }
  return fail(Failure::unavailable,
              "there are no keys for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
              "or write them to ~/.aws/credentials");
}

void Keyring::forget(const Credentials& credentials) {
  const std::lock_guard lock(m_mutex);
  if (m_keys && m_keys->credentials == credentials) m_keys.reset();
}

// ---- places to look

Environment process_environment() {
  return [](const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody here sets any
    return std::string(value ? value : "");
  };
}

std::unique_ptr<KeySource> fixed_keys(Credentials credentials) {
  return std::make_unique<FixedKeys>(std::move(credentials));
}
std::unique_ptr<KeySource> environment_keys(Environment environment) {
  return std::make_unique<EnvironmentKeys>(std::move(environment));
}
std::unique_ptr<KeySource> web_identity_keys(Environment environment, std::string region) {
  return std::make_unique<WebIdentityKeys>(std::move(environment), std::move(region));
}
std::unique_ptr<KeySource> file_keys(Environment environment) {
  return std::make_unique<FileKeys>(std::move(environment));
}
std::unique_ptr<KeySource> machine_keys(Environment environment) {
  return std::make_unique<MachineKeys>(std::move(environment));
}

std::vector<std::unique_ptr<KeySource>> all_keys(const Environment& environment, const std::string& region) {
  std::vector<std::unique_ptr<KeySource>> out;
  out.push_back(environment_keys(environment));
  out.push_back(web_identity_keys(environment, region));
  out.push_back(file_keys(environment));
  out.push_back(machine_keys(environment));
  return out;
}

std::optional<Credentials> read_credentials_file(std::string_view text, std::string_view section) {
  Credentials out;
  bool is_ours = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      is_ours = line.back() == ']' && trimmed(line.substr(1, line.size() - 2)) == section;
      continue;
    }
    const auto equals = line.find('=');
    if (!is_ours || equals == line.npos) continue;
    const auto name = trimmed(line.substr(0, equals));
    const auto value = std::string(trimmed(line.substr(equals + 1)));
    if (name == "aws_access_key_id") out.access_key = value;
    if (name == "aws_secret_access_key") out.secret_key = value;
    if (name == "aws_session_token") out.session_token = value;
  }
  if (out.access_key.empty() || out.secret_key.empty()) return std::nullopt;
  return out;
}

}  // namespace slipway::s3
