#pragma once
// Copies a catalog to another database, of whatever kind: each row of the tables that the journal tells of, as they are
// in one state, and on demand what only a server of the same store can go on with.

#include "base/clock.hpp"
#include "sql/database.hpp"

#include <cstdint>
#include <functional>

namespace slipway::moving {

struct CatalogCopyOptions {
  /// Sessions and the deletion queue too: the store stays the same, and nobody uses the catalog meanwhile.
  bool unfinished = false;
  /// Told of the rows that are done; an error ends it.
  std::function<Result<>(std::uint64_t rows)> advance = [](std::uint64_t) { return Result<>(); };
  /// Called once all is there, and compared; the copy can be opened as a catalog after it, unless it fails.
  std::function<Result<>()> settle = [] { return Result<>(); };
};

struct CatalogCopyReport {
  std::uint64_t rows = 0;
  std::uint64_t uploads = 0;
  std::uint64_t deletions = 0;
};

/// `to` is empty, or holds what an earlier copy left that did not come to its end; else Failure::conflict. It is opened
/// as a catalog by nobody before it is whole. invalid where `from` has the tables of another version than this
/// binary's.
Result<CatalogCopyReport> copy_catalog(sql::Database& from, sql::Database& to, const Clock& clock,
                                       const CatalogCopyOptions& options = {});

}  // namespace slipway::moving
