#include "opam/hosts.hpp"

#include <algorithm>

namespace slipway::opam {

std::string host_of(const std::string& url) {
  const auto begin = url.find("://");
  if (begin == url.npos) return {};
  const auto end = url.find_first_of("/?#", begin + 3);
  return url.substr(begin + 3, end == url.npos ? end : end - begin - 3);
}

Hosts::Hosts(std::chrono::milliseconds first_rest, std::chrono::milliseconds longest_rest)
    : m_first_rest(first_rest), m_longest_rest(longest_rest) {}

std::optional<Hosts::Rest> Hosts::rest_of(const std::string& host) const {
  const std::lock_guard lock(m_mutex);
  const auto found = m_troubles.find(host);
  if (found == m_troubles.end() || found->second.rest.end <= Clock::now()) return std::nullopt;
  return found->second.rest;
}

void Hosts::told(const std::string& host, const Result<>& outcome) {
  const std::lock_guard lock(m_mutex);
  if (outcome || (outcome.error().failure != Failure::busy && outcome.error().failure != Failure::unavailable)) {
    m_troubles.erase(host);
    return;
  }
  auto& trouble = m_troubles[host];
  const auto now = Clock::now();
  if (trouble.rest.end > now) return;  // asked before another found out
  const auto rest = std::min(m_first_rest * (1U << std::min(trouble.failures, 20U)), m_longest_rest);
  ++trouble.failures;
  trouble.rest = {now + rest, outcome.error().message};
}

}  // namespace slipway::opam
