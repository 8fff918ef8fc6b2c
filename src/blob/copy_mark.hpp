#pragma once
// What tells a copy of a store that is not finished from a store: it has no store.id, but
//
//   copy.id    the identity of the store that it is a copy of, then a line for each pack in which something was wrong
//
// and nothing is served from it. When it is finished it gets the store.id that the catalog then knows.

#include "blob/objects.hpp"

#include <functional>
#include <set>

namespace slipway::blob {

/// That there is no store in a place that is not empty; `is_copy`: there is a copy.id.
std::unexpected<Error> no_store(const std::string& place, bool is_copy);

class CopyMark {
public:
  /// Begins a copy of `original` in a place, or goes on with it; `root` has what lies at the beginning of the place.
  /// Failure::conflict where it holds a store, or a copy of another one; invalid where it holds something else.
  static Result<CopyMark> begin(Objects& root, const std::string& place, const std::string& original,
                                const std::function<Result<bool>()>& is_unused);

  /// The one that it was given as a store, by an earlier finish() that may have been cut short; else empty.
  const std::string& identity() const { return m_identity; }
  const std::set<std::string>& damaged_packs() const { return m_damaged_packs; }
  Result<> set_damaged_packs(std::set<std::string> packs);
  /// Makes it the store that it is a copy of: that one is lost, or is left. `settle` puts the catalog in its place. May
  /// be called again after a failure.
  Result<> finish_as_original(const std::function<Result<>()>& settle);
  /// Makes it a store of its own; `pair` has the catalog belong to its identity from then on. May be called again after
  /// a failure.
  Result<> finish(const std::function<Result<>(const std::string& identity)>& pair);

private:
  CopyMark(Objects& root, std::string original) : m_root(&root), m_original(std::move(original)) {}
  Result<> write();
  Result<> become(const std::string& identity);

  Objects* m_root;
  std::string m_original;
  std::string m_identity;
  std::set<std::string> m_damaged_packs;
};

}  // namespace slipway::blob
