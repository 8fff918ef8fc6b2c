#include "cli/data_directory.hpp"

#include "base/json.hpp"
#include "cli/copy.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace slipway::cli {

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(const std::filesystem::path& path, const Clock& clock,
                                                           bool create) {
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
  TRY_ASSIGN(directory->m_store, blob::FsStore::open(path / "store"));
  TRY_ASSIGN(directory->m_store_id, directory->m_store->identity());
  auto database = sql::SqliteDatabase::open(catalog_file);
  if (!database) return std::unexpected(database.error());
  directory->m_database = std::move(*database);
  TRY_ASSIGN(directory->m_catalog, catalog::Catalog::open(*directory->m_database, clock));
  TRY(directory->m_catalog->pair_with_store(directory->m_store_id));
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
  // Only for the message above; the lock itself ends with the process, however that ends.
  const auto pid = std::to_string(::getpid());
  if (::ftruncate(file.get(), 0) < 0) return fail_errno(errno, "writing the lock");
  TRY(write_all(file.get(), as_bytes(pid), 0));
  return DirectoryLock(std::move(file));
}

Result<> DataDirectory::announce(const std::vector<std::string>& urls) {
  TRY(write_file_atomically(m_path / "server.json", Json{{"pid", ::getpid()}, {"listen", urls}}.dump() + "\n"));
  m_announced = true;
  return {};
}

}  // namespace slipway::cli
