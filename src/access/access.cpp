#include "access/access.hpp"

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <chrono>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <thread>

namespace slipway::access {
namespace {

constexpr std::size_t htpasswd_bytes_max = 4U << 20;
constexpr std::size_t proven_max = 4096;
constexpr std::size_t credentials_bytes_max = 4096;
constexpr auto wait_for_check = std::chrono::seconds(3);

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > credentials_bytes_max) return std::nullopt;
  // OpenSSL would read '=' anywhere, and pass over white space around it all.
  const auto letters = text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
  const auto padding = text.size() - std::min(letters, text.size());
  if (padding > 2 || text.substr(text.size() - padding) != std::string_view("==").substr(0, padding))
    return std::nullopt;
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

/// "Basic", "Bearer" — case does not matter (RFC 9110 §11.1) — and what follows.
std::pair<std::string, std::string_view> split_scheme(std::string_view authorization) {
  const auto space = authorization.find(' ');
  std::string scheme(authorization.substr(0, space));
  std::ranges::transform(scheme, scheme.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  auto rest = space == authorization.npos ? std::string_view() : authorization.substr(space + 1);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return {scheme, rest};
}

Error wrong_credentials() { return {Failure::denied, "the user name or password is wrong"}; }

}  // namespace

std::string_view name_of(Action action) {
  switch (action) {
  case Action::pull: return "pull";
  case Action::push: return "push";
  case Action::remove: return "delete";
  case Action::admin: return "admin";
  }
  return "unknown";
}

Result<Anonymous> anonymous_named(std::string_view name) {
  if (name == "none") return Anonymous::nothing;
  if (name == "pull") return Anonymous::pull;
  if (name == "push") return Anonymous::push;
  if (name == "all") return Anonymous::everything;
  return fail(Failure::invalid, "'" + std::string(name) + "' is not one of none, pull, push, all");
}

Access::Access(Settings settings, const Clock& clock)
    : m_settings(std::move(settings)),
      m_tokens(m_settings.token_key.empty() ? random_hex(32) : m_settings.token_key, m_settings.token_lifetime, clock),
      m_process_key(random_hex(32)), m_checking(std::max<std::size_t>(1, std::thread::hardware_concurrency())) {}

Result<std::unique_ptr<Access>> Access::open(Settings settings, const Clock& clock) {
  std::unique_ptr<Access> access(new Access(std::move(settings), clock));
  if (access->has_users()) TRY(access->reload_if_changed());
  return access;
}

Result<bool> Access::reload_if_changed() {
  if (!has_users()) return false;
  std::error_code error;
  const auto changed_at = std::filesystem::last_write_time(m_settings.htpasswd, error);
  {
    const std::lock_guard lock(m_mutex);
    if (!error && changed_at == m_read_at) return false;
    m_read_at = changed_at;
  }
  TRY_ASSIGN(const auto text, read_file(m_settings.htpasswd, htpasswd_bytes_max));
  auto users = Htpasswd::parse(text);
  if (!users) return std::unexpected(users.error().during(m_settings.htpasswd.string()));
  const std::lock_guard lock(m_mutex);
  m_users = std::move(*users);
  m_proven.clear();
  return true;
}

Result<Principal> Access::identify(std::string_view authorization) {
  if (authorization.empty()) return Principal{"anonymous"};
  const auto [scheme, rest] = split_scheme(authorization);
  if (scheme == "basic") return identify_basic(rest);
  if (scheme == "bearer") return identify_bearer(rest);
  return std::unexpected(wrong_credentials());
}

Result<Principal> Access::identify_bearer(std::string_view token) {
  if (is_admin_token(token)) return Principal{"admin-token", false, true};
  TRY_ASSIGN(auto who, m_tokens.read(token));
  if (who.anonymous || who.admin) return who;
  const std::lock_guard lock(m_mutex);
  if (!m_users.hash_of(who.name)) return fail(Failure::denied, "the token's user is no more");
  who.admin = is_admin(who.name);
  return who;
}

Result<Principal> Access::identify_basic(std::string_view encoded) {
  const auto decoded = decode_base64(encoded);
  const auto colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::unexpected(wrong_credentials());
  const auto user = decoded->substr(0, colon);
  const auto password = decoded->substr(colon + 1);
  if (user.empty() && password.empty())
    return Principal{"anonymous"};  // what podman sends when it knows no credentials
  if (is_admin_token(password)) return Principal{"admin-token", false, true};
  TRY_ASSIGN(const bool good, check_password(user, password));
  if (!good) return std::unexpected(wrong_credentials());
  return Principal{user, false, is_admin(user)};
}

bool Access::wants_login() const {
  // Where anonymous may do everything, the token alone is no reason to bother anybody: that is the development default.
  return has_users() || (!m_settings.admin_token_sha256.empty() && m_settings.anonymous != Anonymous::everything);
}

bool Access::is_admin_token(std::string_view token) const {
  if (m_settings.admin_token_sha256.empty() || token.size() < 32) return false;
  const auto hash = to_hex(digest_of(as_bytes(token)).value());
  return hash.size() == m_settings.admin_token_sha256.size() &&
         CRYPTO_memcmp(hash.data(), m_settings.admin_token_sha256.data(), hash.size()) == 0;
}

std::string Access::proof_key(const std::string& user, const std::string& password, const std::string& hash) const {
  Hasher hasher(Algorithm::sha256);
  for (const auto* part : {&m_process_key, &user, &password, &hash}) {
    hasher.update(as_bytes(std::to_string(part->size()) + ":"));
    hasher.update(as_bytes(*part));
  }
  return hasher.digest().text();
}

Result<bool> Access::check_password(const std::string& user, const std::string& password) {
  std::optional<std::string> hash;
  std::string proof;
  const auto is_proven = [&] {
    const std::lock_guard lock(m_mutex);
    hash = m_users.hash_of(user);
    if (hash) proof = proof_key(user, password, *hash);
    return hash && m_proven.contains(proof);
  };
  // A client opens several connections at once with the same credentials: while one of them is checked the others wait,
  // and then find it proven.
  const auto until = std::chrono::steady_clock::now() + wait_for_check;
  Gate::Place place;
  for (;;) {
    if (is_proven()) return true;
    place = m_checking.enter();
    if (place) break;
    if (std::chrono::steady_clock::now() > until)
      return fail(Failure::busy, "too many logins at once; try again shortly");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (!hash) {
    std::unique_lock lock(m_mutex);
    const auto somebody = m_users.any_hash();
    lock.unlock();
    if (somebody) static_cast<void>(matches(password, *somebody));
    return false;
  }
  if (!matches(password, *hash)) return false;
  const std::lock_guard lock(m_mutex);
  if (m_proven.size() >= proven_max) m_proven.clear();
  m_proven.insert(proof);
  return true;
}

bool Access::is_admin(const std::string& user) const {
  return std::ranges::find(m_settings.admins, user) != m_settings.admins.end();
}

bool Access::may(const Principal& who, Action action, std::string_view name) const {
  if (!is_entitled(who, action, name)) return false;
  return !who.grants || std::ranges::any_of(*who.grants, [&](const Grant& grant) {
    return grant.name == name && std::ranges::find(grant.actions, action) != grant.actions.end();
  });
}

static bool is_about(const Approval& approval, const std::string& repository) {
  return approval.repository == "*" || approval.repository == repository;
}

Result<> Access::expect_approval(const Principal& who, const std::string& repository, const std::string& tag) const {
  if (who.admin) return {};
  std::string others;
  bool is_guarded = false;
  for (const auto& approval : m_settings.approvals) {
    if (!is_about(approval, repository) || approval.tag != tag) continue;
    is_guarded = true;
    for (const auto& user : approval.users) {
      if (!who.anonymous && user == who.name) return {};
      others.append(others.empty() ? "" : ", ").append(user);
    }
  }
  if (!is_guarded) return {};
  return fail(Failure::denied, who.name + " may not move '" + tag + "' of repository '" + repository +
                                   "', which demands approval; who may: " +
                                   (others.empty() ? "administrators" : others + ", and administrators"));
}

std::vector<std::string> Access::approved_tags(const std::string& repository) const {
  std::vector<std::string> out;
  for (const auto& approval : m_settings.approvals)
    if (is_about(approval, repository)) out.push_back(approval.tag);
  return out;
}

Tokens::Issued Access::issue_token(const Principal& who, const std::vector<Grant>& wanted) const {
  auto grants = wanted;
  for (auto& grant : grants)
    std::erase_if(grant.actions, [&](Action action) { return !is_entitled(who, action, grant.name); });
  return m_tokens.issue(who, grants);
}

bool Access::is_entitled(const Principal& who, Action action, std::string_view) const {
  if (who.admin) return true;
  if (!who.anonymous) return action != Action::admin;
  switch (m_settings.anonymous) {
  case Anonymous::nothing: return false;
  case Anonymous::pull: return action == Action::pull;
  case Anonymous::push: return action == Action::pull || action == Action::push;
  case Anonymous::everything: return true;
  }
  return false;
}

}  // namespace slipway::access
