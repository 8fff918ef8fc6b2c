#pragma once
// The data directory: DIR/catalog.sqlite unless the catalog is elsewhere, DIR/lock, and while a server runs
// DIR/server.json; further DIR/store/, or DIR/cache/ where the store is in a bucket. One process at a time uses it;
// docs/on-disk-format.md describes it.

#include "catalog/catalog.hpp"
#include "cli/catalog_place.hpp"
#include "cli/directory_lock.hpp"
#include "cli/store_place.hpp"

namespace slipway::cli {

class DataDirectory {
public:
  /// Locks and opens it; `create` makes what is missing, else not_found. Failure::busy, naming the process, while
  /// another uses it; conflict where store and catalog do not belong together, where the store has content and the
  /// catalog is gone, or where it is a backup.
  static Result<std::unique_ptr<DataDirectory>> open(const Config& config, const Clock& clock, bool create);
  /// Removes server.json if announce() wrote it.
  ~DataDirectory();

  catalog::Catalog& catalog() { return *m_catalog.catalog; }
  blob::BlobStore& store() { return m_place->store(); }
  /// What catalog() stands on.
  sql::Database& database() { return *m_catalog.database; }
  /// The store's place for the journal.
  blob::Objects& journal() { return m_place->journal(); }
  const std::string& store_id() const { return m_store_id; }
  /// What decides about times here: the catalog's, where it is shared.
  const Clock& clock() const {
    if (m_catalog.shared_clock) return *m_catalog.shared_clock;
    return m_clock;
  }
  /// Now and then, for that.
  Result<> compare_clocks() { return m_catalog.shared_clock ? m_catalog.shared_clock->compare() : Result<>(); }
  const std::filesystem::path& path() const { return m_path; }

  /// The catalog still belongs here, and goes on here; Failure::conflict where not.
  Result<> expect_place();

  /// Tells clients on this machine where the server listens.
  Result<> announce(const std::vector<std::string>& urls);

private:
  DataDirectory(std::filesystem::path path, DirectoryLock lock, const Clock& clock)
      : m_path(std::move(path)), m_lock(std::move(lock)), m_clock(clock) {}
  Result<> open_catalog(const Config& config);
  Result<> pair();

  const std::filesystem::path m_path;
  const DirectoryLock m_lock;
  bool m_announced = false;
  std::unique_ptr<StorePlace> m_place;
  std::string m_store_id;
  const Clock& m_clock;
  CatalogPlace m_catalog;
};

}  // namespace slipway::cli
