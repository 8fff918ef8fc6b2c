#pragma once
// An htpasswd file as `htpasswd -B` writes it: "user:$2y$…" a line; '#' comments and empty lines are skipped. Only
// bcrypt hashes are accepted: the others are broken.

#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace slipway::access {

class Htpasswd {
public:
  /// Failure::invalid naming the line.
  static Result<Htpasswd> parse(std::string_view text);

  /// The user's hash.
  std::optional<std::string> hash_of(const std::string& user) const;
  /// Somebody's hash, to be as slow for users that do not exist, so that timing does not tell who does.
  std::optional<std::string> any_hash() const;
  std::size_t size() const { return m_hashes.size(); }

private:
  std::unordered_map<std::string, std::string> m_hashes;
};

/// Slow on purpose. `hash` is a bcrypt hash.
bool matches(const std::string& password, const std::string& hash);

}  // namespace slipway::access
