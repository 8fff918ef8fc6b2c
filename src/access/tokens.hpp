#pragma once
// Short-lived tokens of the Docker token protocol: a JWT (RFC 7519) that says who its bearer is and what it is good
// for. https://distribution.github.io/distribution/spec/auth/token/ and …/scope/

#include "access/principal.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

#include <chrono>

namespace slipway::access {

/// "repository:library/busybox:pull,push" or "registry:catalog:*", as a client asks for them; actions we do not know
/// are left out. Nothing for other types: a token is no good for those.
std::optional<Grant> parse_scope(std::string_view scope);

/// The scope to tell a client that lacks it. Whoever pushes needs to pull as well.
std::string scope_of(Action action, std::string_view name);

/// Makes and reads them. Safe to call from any thread.
class Tokens {
public:
  /// `key` signs: replicas that share it read each other's.
  Tokens(std::string key, std::chrono::seconds lifetime, const Clock& clock)
      : m_key(std::move(key)), m_lifetime(lifetime), m_clock(clock) {}

  struct Issued {
    std::string token;
    Timestamp issued_at;
    std::chrono::seconds lifetime;
  };
  Issued issue(const Principal& who, const std::vector<Grant>& grants) const;

  /// Who it speaks for, with its grants; `admin` only for the admin token's own. Failure::denied for anything but a
  /// token of ours that is still good.
  Result<Principal> read(std::string_view token) const;

private:
  const std::string m_key;
  const std::chrono::seconds m_lifetime;
  const Clock& m_clock;
};

}  // namespace slipway::access
