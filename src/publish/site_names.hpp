#pragma once
// Which repositories are sites by their names: those with a channel `live`, now or since this server looks.

#include "base/clock.hpp"
#include "catalog/catalog.hpp"

#include <set>
#include <shared_mutex>

namespace slipway::publish {

/// A site that is published for the first time, here or by another server, is known to the first request that would
/// else find none, and to all within a second. Safe to call from any thread. The catalog outlives it.
class SiteNames {
public:
  explicit SiteNames(catalog::Catalog& catalog) : m_catalog(catalog) {}

  /// How many of a path's first parts make the longest name of a site; 0 where none do.
  std::size_t match(const std::vector<std::string>& parts);

private:
  std::size_t longest(const std::vector<std::string>& parts) const;
  void look();

  catalog::Catalog& m_catalog;
  std::shared_mutex m_mutex;  // guards what follows
  std::set<std::string, std::less<>> m_names;
  std::size_t m_parts_max = 0;  // of a name
  std::int64_t m_seen = 0;      // moves of tags, up to this one
  Steady m_looked_at{};         // when the last look began
};

}  // namespace slipway::publish
