#pragma once
// Work that one server at a time does for all that share a catalog: writing the journal, removing what nobody wants.

#include "base/boot_clock.hpp"
#include "catalog/catalog.hpp"

#include <mutex>

namespace slipway::lifecycle {

/// Safe to call from any thread. The catalog outlives it.
class Lease {
public:
  /// Held for `duration` from each renewal; a server that is stopped, or cut off, loses it then.
  Lease(catalog::Catalog& catalog, std::string name, std::chrono::seconds duration = std::chrono::seconds(20));
  /// Gives it up.
  ~Lease();
  Lease(const Lease&) = delete;
  /// True if it is this object's for half of the duration at least; takes or renews it where that is needed. Of a
  /// catalog that nobody shares it always is.
  bool hold();

private:
  catalog::Catalog& m_catalog;
  const std::string m_name;
  const std::string m_holder;
  const std::chrono::seconds m_duration;
  std::mutex m_mutex;  // guards the next
  BootClock::time_point m_held_until{};
};

}  // namespace slipway::lifecycle
