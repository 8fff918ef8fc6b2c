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

/// Tells that nobody serves from a catalog. Servers are kept from beginning to by a lock on the data directory; those
/// that share a database cannot be, and are noticed.
class Quiet {
public:
  /// Failure::busy where a server uses it; waits a while for one that has just stopped.
  static Result<Quiet> expect(const Config& config, CatalogPlace& place);
  /// Now and then in long work, which is in vain once it fails.
  Result<> renew();
  /// The same within a write, for the one by which servers know what was done: a server reads that once all writes that
  /// began before it connected are over (DataDirectory). Fails as well where one came and went.
  Result<> expect_still(sql::Session& session) const;

private:
  std::optional<DirectoryLock> m_lock;
  std::unique_ptr<lifecycle::Lease> m_lease;  // that of a server's, so that those which begin leave the store alone
  sql::Database* m_database = nullptr;
  std::int64_t m_first_free_location = 0;
  std::chrono::steady_clock::time_point m_looked_at{};
};

/// That a catalog belongs to a store, for those that write to neither.
Result<> expect_pair(catalog::Catalog& catalog, StorePlace& store);

/// Where a catalog was copied to is where it goes on: Failure::conflict for the one it was copied from. `unless_to`:
/// for those that go on copying it there.
Result<> expect_not_moved(catalog::Catalog& catalog, const std::string& unless_to = {});
Result<> mark_as_moved(catalog::Catalog& catalog, const std::string& to, const Quiet& quiet);

}  // namespace slipway::cli
