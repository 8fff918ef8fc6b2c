#pragma once
// The embedded data directory: DIR/catalog.sqlite, DIR/store/, DIR/lock, and while a server runs DIR/server.json. One
// process at a time uses it; docs/on-disk-format.md describes it.

#include "blob/fs_store.hpp"
#include "blob/objects.hpp"
#include "catalog/catalog.hpp"
#include "sql/sqlite.hpp"

namespace slipway::cli {

/// One process's hold on a directory, for as long as it lives.
class DirectoryLock {
public:
  /// Makes the directory if it is missing. Failure::busy, naming the process, while another has it.
  static Result<DirectoryLock> take(const std::filesystem::path& directory);

private:
  explicit DirectoryLock(Fd file) : m_file(std::move(file)) {}
  Fd m_file;
};

class DataDirectory {
public:
  /// Locks and opens it; `create` makes what is missing, else not_found. Failure::busy, naming the process, while
  /// another uses it; conflict where store and catalog do not belong together, where the store has content and the
  /// catalog is gone, or where it is a backup. The store keeps `keep_free` bytes of the disk from new content.
  static Result<std::unique_ptr<DataDirectory>> open(const std::filesystem::path& path, const Clock& clock, bool create,
                                                     std::uint64_t keep_free = 0);
  /// Removes server.json if announce() wrote it.
  ~DataDirectory();

  catalog::Catalog& catalog() { return *m_catalog; }
  blob::BlobStore& store() { return *m_store; }
  /// What catalog() stands on.
  sql::Database& database() { return *m_database; }
  /// The store's place for the journal.
  blob::Objects& journal() { return m_journal; }
  const std::string& store_id() const { return m_store_id; }
  const std::filesystem::path& path() const { return m_path; }

  /// Tells clients on this machine where the server listens.
  Result<> announce(const std::vector<std::string>& urls);

private:
  DataDirectory(std::filesystem::path path, DirectoryLock lock)
      : m_path(std::move(path)), m_lock(std::move(lock)), m_journal(m_path / "store" / "journal") {}

  const std::filesystem::path m_path;
  const DirectoryLock m_lock;
  bool m_announced = false;
  blob::FileObjects m_journal;
  std::unique_ptr<blob::FsStore> m_store;
  std::string m_store_id;
  std::unique_ptr<sql::SqliteDatabase> m_database;
  std::unique_ptr<catalog::Catalog> m_catalog;
};

}  // namespace slipway::cli
