#pragma once
// One question, asked by every route and every command: may WHO do WHAT to WHICH name?
//
// Who one is comes from Basic credentials (an htpasswd file with bcrypt hashes), from a short-lived token that was
// given for them (tokens.hpp), or from the admin token (as Bearer, or as the password of any Basic user). A listener
// only this machine can reach, with no credentials configured, lets anonymous do everything: the development default.

#include "access/approval.hpp"
#include "access/htpasswd.hpp"
#include "access/tokens.hpp"
#include "base/gate.hpp"
#include "base/result.hpp"

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace slipway::access {

/// What anonymous may do.
enum class Anonymous { nothing, pull, push, everything };

struct Settings {
  std::filesystem::path htpasswd;   ///< empty: no users
  std::vector<std::string> admins;  ///< users who may administer
  Anonymous anonymous = Anonymous::nothing;
  std::vector<Approval> approvals;
  bool public_metrics = false;     ///< /metrics needs no login
  std::string admin_token_sha256;  ///< hex; empty: no token
  std::string token_key;           ///< signs the tokens given; empty: one of this process's own
  std::chrono::seconds token_lifetime{300};
};

/// Safe to call from any thread.
class Access {
public:
  /// Reads the htpasswd file; Failure::invalid with its line where it cannot be used.
  static Result<std::unique_ptr<Access>> open(Settings settings, const Clock& clock = system_clock());

  /// Who an Authorization field speaks for; none is anonymous. Failure::denied for wrong credentials, busy when too
  /// many passwords are being checked already.
  Result<Principal> identify(std::string_view authorization);

  /// The question. `name` is a repository, or empty for the server itself.
  bool may(const Principal& who, Action action, std::string_view name) const;
  /// The same, apart from what the token it came with is good for: whether a better token could be had.
  bool is_entitled(const Principal& who, Action action, std::string_view name) const;

  /// Of a tag that `who` may push as far as the repository goes: whether it is free to move it, or remove it. Else
  /// Failure::denied, saying who is.
  Result<> expect_approval(const Principal& who, const std::string& repository, const std::string& tag) const;
  /// The tags of a repository that not everybody may move.
  std::vector<std::string> approved_tags(const std::string& repository) const;

  /// A token for what of `wanted` its owner may do.
  Tokens::Issued issue_token(const Principal& who, const std::vector<Grant>& wanted) const;

  bool metrics_are_public() const { return m_settings.public_metrics; }

  /// Logging in would be of use: an anonymous client is worth asking for credentials.
  bool wants_login() const;

  /// Reads the htpasswd file again if it changed; on failure the old users stay.
  Result<bool> reload_if_changed();

private:
  Access(Settings settings, const Clock& clock);
  Result<Principal> identify_bearer(std::string_view token);
  Result<Principal> identify_basic(std::string_view encoded);
  Result<bool> check_password(const std::string& user, const std::string& password);
  bool is_admin_token(std::string_view token) const;
  bool is_admin(const std::string& user) const;
  bool has_users() const { return !m_settings.htpasswd.empty(); }
  std::string proof_key(const std::string& user, const std::string& password, const std::string& hash) const;

  const Settings m_settings;
  const Tokens m_tokens;
  const std::string m_process_key;  // so that proofs in memory are worth nothing elsewhere
  Gate m_checking;                  // bcrypt is slow on purpose: bounded, so that it cannot take every worker

  std::mutex m_mutex;  // guards all below
  Htpasswd m_users;
  std::filesystem::file_time_type m_read_at;
  std::unordered_set<std::string> m_proven;  // keyed hashes of credentials seen good
};

/// Anonymous as a configuration names it ("none", "pull", "push", "all").
Result<Anonymous> anonymous_named(std::string_view name);

}  // namespace slipway::access
