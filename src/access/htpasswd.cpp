#include "access/htpasswd.hpp"

#include <crypt.h>
#include <fmt/format.h>
#include <memory>
#include <openssl/crypto.h>

namespace slipway::access {

static bool is_bcrypt(std::string_view hash) {
  return hash.size() == 60 && (hash.starts_with("$2y$") || hash.starts_with("$2b$") || hash.starts_with("$2a$"));
}

Result<Htpasswd> Htpasswd::parse(std::string_view text) {
  Htpasswd out;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const auto colon = line.find(':');
    if (colon == 0 || colon == line.npos)
      return fail(Failure::invalid, fmt::format("line {}: expected USER:HASH", number));
    const auto hash = line.substr(colon + 1);
    if (!is_bcrypt(hash))
      return fail(Failure::invalid, fmt::format("line {}: the hash of '{}' is not bcrypt; make it with htpasswd -B",
                                                number, line.substr(0, colon)));
    out.m_hashes[std::string(line.substr(0, colon))] = hash;
  }
  return out;
}

std::optional<std::string> Htpasswd::hash_of(const std::string& user) const {
  const auto found = m_hashes.find(user);
  return found == m_hashes.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> Htpasswd::any_hash() const {
  return m_hashes.empty() ? std::nullopt : std::optional(m_hashes.begin()->second);
}

bool matches(const std::string& password, const std::string& hash) {
  if (password.find('\0') != std::string::npos) return false;  // crypt would not see what follows it
  const auto state = std::make_unique<crypt_data>();           // 32 KiB: not for the stack
  const char* computed = crypt_r(password.c_str(), hash.c_str(), state.get());
  return computed && hash.size() == std::string_view(computed).size() &&
         CRYPTO_memcmp(computed, hash.data(), hash.size()) == 0;
}

}  // namespace slipway::access
