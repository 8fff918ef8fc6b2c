#include "publish/site_names.hpp"

#include "base/log.hpp"
#include "publish/channels.hpp"

#include <algorithm>
#include <mutex>

namespace slipway::publish {

std::size_t SiteNames::longest(const std::vector<std::string>& parts) const {
  std::string name;
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < std::min(parts.size(), m_parts_max); ++i) {
    name.append(i ? "/" : "").append(parts[i]);
    ends.push_back(name.size());
  }
  for (; !ends.empty(); ends.pop_back())
    if (m_names.contains(std::string_view(name).substr(0, ends.back()))) return ends.size();
  return 0;
}

void SiteNames::look() {
  m_looked_at = std::chrono::steady_clock::now();
  const auto names = m_catalog.repositories_with(live_channel, m_seen);
  if (!names) {
    log::warn("new sites cannot be looked for", {{"error", names.error().message}});
    return;
  }
  for (const auto& name : *names) {
    m_parts_max = std::max(m_parts_max, static_cast<std::size_t>(std::ranges::count(name, '/')) + 1);
    m_names.insert(name);
  }
}

std::size_t SiteNames::match(const std::vector<std::string>& parts) {
  constexpr auto look_every = std::chrono::seconds(1);
  const auto came = std::chrono::steady_clock::now();
  {
    const std::shared_lock lock(m_mutex);
    if (const auto found = longest(parts); found > 0 && came - m_looked_at < look_every) return found;
  }
  const std::unique_lock lock(m_mutex);
  if (const auto found = longest(parts); found > 0 && came - m_looked_at < look_every) return found;
  if (m_looked_at <= came) look();  // else somebody has since this request came
  return longest(parts);
}

}  // namespace slipway::publish
