#include "cli/data_directory.hpp"

#include "base/json.hpp"
#include "base/log.hpp"
#include "cli/copy.hpp"
#include "sql/postgres.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace slipway::cli {

/// 0 where there is no such file.
static Result<std::uintmax_t> size_of(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (!error) return size;
  if (error == std::errc::no_such_file_or_directory) return 0;
  return fail_errno(error.value(), "looking at " + file.string());
}

/// A new catalog in the place of a lost one would show an empty registry, and SQLite removes the log of a database that
/// is not there.
static Result<> refuse_lost_catalog(const std::filesystem::path& file, StorePlace& place) {
  constexpr std::uintmax_t first_page = 4096;  // holds no table; what follows is in the log at first
  TRY_ASSIGN(const auto size, size_of(file));
  TRY_ASSIGN(const auto log_size, size_of(file.string() + "-wal"));
  if (size > first_page || (size > 0 && log_size > 0)) return {};
  TRY_ASSIGN(const bool no_blobs, place.store().is_empty());
  TRY_ASSIGN(const auto objects, place.journal().list());
  if (no_blobs && objects.empty() && log_size == 0) return {};
  return fail(Failure::conflict, file.string() +
                                     " is missing or empty, but its store has been in use: put the "
                                     "catalog back, with its -wal file if there was one; 'slipway rebuild' makes it "
                                     "again of the journal in the store");
}

/// The same of a database that others keep.
static Result<> refuse_empty_catalog(catalog::Catalog& catalog, StorePlace& place) {
  TRY_ASSIGN(const auto known, catalog.setting("store_id"));
  if (known) return {};
  TRY_ASSIGN(const bool no_blobs, place.store().is_empty());
  TRY_ASSIGN(const auto objects, place.journal().list());
  TRY_ASSIGN(const auto since, catalog.setting("store_id"));  // another server may just have begun to use both
  if (since || (no_blobs && objects.empty())) return {};
  return fail(Failure::conflict,
              "the catalog's database is empty, but the store has been in use: put the database back, "
              "or correct catalog.url or store.url");
}

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(const Config& config, const Clock& clock, bool create) {
  const auto& path = config.data;
  std::error_code error;
  const bool is_there = std::filesystem::exists(config.catalog.empty() ? path / "catalog.sqlite" : path, error);
  if (!is_there && !create)
    return fail(Failure::not_found,
                path.string() + " is not a Slipway data directory: 'slipway init --data DIR' makes one");
  if (is_backup(path))
    return fail(Failure::conflict, path.string() + " is a backup: 'slipway restore " + path.string() +
                                       " --data DIR' makes a data directory of it");
  TRY_ASSIGN(auto lock, DirectoryLock::take(path));
  std::unique_ptr<DataDirectory> directory(new DataDirectory(std::filesystem::absolute(path), std::move(lock), clock));
  TRY_ASSIGN(directory->m_place, StorePlace::open(config, clock, create));
  TRY_ASSIGN(directory->m_store_id, directory->store().identity());
  TRY(directory->open_catalog(config));
  const auto name = config.catalog.empty() ? (path / "catalog.sqlite").string() : "the catalog (catalog.url)";
  if (auto paired = directory->pair(config); !paired) return std::unexpected(paired.error().during(name));
  TRY(sync_directory(path));
  return directory;
}

Result<> DataDirectory::open_catalog(const Config& config) {
  if (!config.catalog.empty()) {
    TRY_ASSIGN(m_database, sql::PostgresDatabase::open({.url = config.catalog}));
    m_shared_clock = std::make_unique<catalog::SharedClock>(*m_database);
    TRY(m_shared_clock->compare());
    TRY_ASSIGN(m_catalog, catalog::Catalog::open(*m_database, *m_shared_clock));
    return refuse_empty_catalog(*m_catalog, *m_place);
  }
  const auto file = config.data / "catalog.sqlite";
  TRY(refuse_lost_catalog(file, *m_place));
  TRY_ASSIGN(m_database, sql::SqliteDatabase::open(file));
  auto opened = catalog::Catalog::open(*m_database, m_clock);
  if (!opened) return std::unexpected(opened.error().during(file.string()));
  m_catalog = std::move(*opened);
  return {};
}

/// Store and catalog belong together, and the one is not from before the other.
Result<> DataDirectory::pair(const Config& config) {
  TRY(m_catalog->pair_with_store(m_store_id));
  TRY_ASSIGN(const auto first_free, m_catalog->first_free_location());
  TRY_ASSIGN(const auto highest, store().highest(first_free));
  TRY_ASSIGN(const bool skipped,
             m_catalog->skip_locations(highest, [&](blob::LocationId id) { return store().is_finished(id); }));
  if (skipped)
    log::warn("the catalog is older than the store: what was pushed since has lost its names; its bytes are kept, and "
              "counted by 'slipway doctor --deep'",
              {{"catalog", config.catalog.empty() ? (config.data / "catalog.sqlite").string() : "catalog.url"}});
  return {};
}

DataDirectory::~DataDirectory() {
  if (m_announced) ::unlink((m_path / "server.json").c_str());
}

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail_errno(error.value(), "making " + directory.string());
  TRY_ASSIGN(Fd file, open_file(directory / "lock", O_RDWR | O_CREAT));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK) return fail_errno(errno, "locking " + directory.string());
    const auto holder = read_file(directory / "lock", 64).value_or("");
    return fail(Failure::busy,
                fmt::format("{} is in use by process {}: for commands on a running server use --server URL",
                            directory.string(), holder.empty() ? "?" : holder));
  }
  // Only for the message above, so a full disk need not keep us from serving; the lock itself ends with the process,
  // however that ends.
  const auto pid = std::to_string(::getpid());
  if (::ftruncate(file.get(), 0) == 0) static_cast<void>(write_all(file.get(), as_bytes(pid), 0));
  return DirectoryLock(std::move(file));
}

Result<> DataDirectory::announce(const std::vector<std::string>& urls) {
  const auto file = m_path / "server.json";
  auto written = write_file_atomically(file, Json{{"pid", ::getpid()}, {"listen", urls}}.dump() + "\n");
  m_announced = written.has_value();
  if (!written) ::unlink(file.c_str());  // one that a killed server left would lead astray
  return written;
}

}  // namespace slipway::cli
