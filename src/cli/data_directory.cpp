#include "cli/data_directory.hpp"

#include "base/json.hpp"
#include "base/log.hpp"
#include "cli/copy.hpp"

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

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(const Config& config, const Clock& clock, bool create) {
  const auto& path = config.data;
  std::error_code error;
  const auto catalog_file = path / "catalog.sqlite";
  if (!std::filesystem::exists(catalog_file, error) && !create)
    return fail(Failure::not_found,
                path.string() + " is not a Slipway data directory: 'slipway init --data DIR' makes one");
  if (is_backup(path))
    return fail(Failure::conflict, path.string() + " is a backup: 'slipway restore " + path.string() +
                                       " --data DIR' makes a data directory of it");
  TRY_ASSIGN(auto lock, DirectoryLock::take(path));
  std::unique_ptr<DataDirectory> directory(new DataDirectory(std::filesystem::absolute(path), std::move(lock)));
  TRY_ASSIGN(directory->m_place, StorePlace::open(config, clock, create));
  auto& store = directory->store();
  TRY_ASSIGN(directory->m_store_id, store.identity());
  TRY(refuse_lost_catalog(catalog_file, *directory->m_place));
  auto database = sql::SqliteDatabase::open(catalog_file);
  if (!database) return std::unexpected(database.error());
  directory->m_database = std::move(*database);
  auto catalog = catalog::Catalog::open(*directory->m_database, clock);
  if (!catalog) return std::unexpected(catalog.error().during(catalog_file.string()));
  directory->m_catalog = std::move(*catalog);
  if (auto paired = directory->m_catalog->pair_with_store(directory->m_store_id); !paired)
    return std::unexpected(paired.error().during(catalog_file.string()));
  TRY_ASSIGN(const auto first_free, directory->m_catalog->first_free_location());
  TRY_ASSIGN(const auto highest, store.highest(first_free));
  const auto skipped =
      directory->m_catalog->skip_locations(highest, [&](blob::LocationId id) { return store.is_finished(id); });
  if (!skipped) return std::unexpected(skipped.error().during(catalog_file.string()));
  if (*skipped)
    log::warn("the catalog is older than the store: what was pushed since has lost its names; its bytes are kept, and "
              "counted by 'slipway doctor --deep'",
              {{"catalog", catalog_file.string()}});
  TRY(sync_directory(path));
  return directory;
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
