#include "lifecycle/lease.hpp"

#include "base/log.hpp"
#include "base/random.hpp"

namespace slipway::lifecycle {

Lease::Lease(catalog::Catalog& catalog, std::string name, std::chrono::seconds duration)
    : m_catalog(catalog), m_name(std::move(name)), m_holder(random_hex(8)), m_duration(duration) {}

Lease::~Lease() {
  if (m_held_until > BootClock::now())
    static_cast<void>(m_catalog.end_lease(m_name, m_holder));  // else it ends by itself
}

bool Lease::hold() {
  if (!m_catalog.is_shared()) return true;
  const std::lock_guard lock(m_mutex);
  const auto before = BootClock::now();
  if (before < m_held_until - m_duration / 2) return true;
  const auto taken = m_catalog.take_lease(m_name, m_holder, m_duration);
  if (!taken) log::warn("a lease cannot be renewed", {{"lease", m_name}, {"error", taken.error().message}});
  const bool is_held = taken && *taken && BootClock::now() < before + m_duration;
  const bool was_held = before < m_held_until;
  if (is_held && !was_held) log::info("this server does the housekeeping for all", {{"lease", m_name}});
  m_held_until = is_held ? before + m_duration : BootClock::time_point{};
  return is_held;
}

}  // namespace slipway::lifecycle
