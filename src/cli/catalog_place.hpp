#pragma once
// Where the configuration says that the catalog is: SQLite in the data directory, or a PostgreSQL database.

#include "catalog/catalog.hpp"
#include "catalog/shared_clock.hpp"
#include "cli/config.hpp"
#include "cli/directory_lock.hpp"
#include "cli/store_place.hpp"
#include "lifecycle/lease.hpp"

#include <functional>
#include <optional>

namespace slipway::cli {

enum class CatalogUse {
  make,      ///< to be made where it is not there
  existing,  ///< not_found where it is not there
  beside,    ///< the same, read only, while a server may be using it
};

/// A catalog with what it stands on.
struct CatalogPlace {
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<catalog::SharedClock> shared_clock;  ///< absent where nobody shares it
  std::unique_ptr<catalog::Catalog> catalog;
  std::string name;  ///< for messages

  static Result<CatalogPlace> open(const Config& config, const Clock& clock, CatalogUse use);
  /// The database, which may have no tables yet.
  static Result<std::unique_ptr<sql::Database>> connect(const Config& config, CatalogUse use = CatalogUse::make);
  static std::string name_of(const Config& config);
};

/// Tells that nobody serves from a catalog, and keeps servers from beginning to where they can be kept.
class Quiet {
public:
  /// Failure::busy where a server uses it; waits a while for one that has just stopped.
  static Result<Quiet> expect(const Config& config, CatalogPlace& place);
  /// Now and then in long work.
  Result<> renew();

private:
  std::optional<DirectoryLock> m_lock;
  std::unique_ptr<lifecycle::Lease> m_lease;
};

/// That a catalog belongs to a store, for those that write to neither.
Result<> expect_pair(catalog::Catalog& catalog, StorePlace& store);

/// Where a catalog was copied to is where it goes on: Failure::conflict for the one it was copied from.
Result<> expect_not_moved(catalog::Catalog& catalog);
Result<> mark_as_moved(catalog::Catalog& catalog, const std::string& to);

}  // namespace slipway::cli
