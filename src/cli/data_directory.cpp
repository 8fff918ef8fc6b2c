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
  TRY_ASSIGN(directory->m_place, StorePlace::open(config, clock, create ? StoreUse::make : StoreUse::existing));
  TRY_ASSIGN(directory->m_store_id, directory->store().identity());
  TRY(directory->open_catalog(config));
  if (auto paired = directory->pair(); !paired)
    return std::unexpected(paired.error().during(directory->m_catalog.name));
  directory->store().announce_packs(
      [self = directory.get()](const auto& pack) { return self->catalog().announce_pack(pack); });
  TRY(sync_directory(path));
  return directory;
}

Result<> DataDirectory::open_catalog(const Config& config) {
  if (config.catalog.empty()) TRY(refuse_lost_catalog(config.data / "catalog.sqlite", *m_place));
  TRY_ASSIGN(m_catalog, CatalogPlace::open(config, m_clock, CatalogUse::make));
  return config.catalog.empty() ? Result<>() : refuse_empty_catalog(catalog(), *m_place);
}

/// Store and catalog belong together, and the one is not from before the other.
Result<> DataDirectory::pair() {
  // Whoever moves it has seen that we are connected, or we see that it was moved: see Quiet.
  if (catalog().is_shared()) TRY(catalog().wait_for_writes());
  TRY(expect_place());
  TRY_ASSIGN(const auto first_free, catalog().first_free_location());
  TRY_ASSIGN(const auto highest, store().highest(first_free));
  TRY_ASSIGN(const bool skipped,
             catalog().skip_locations(highest, [&](blob::LocationId id) { return store().is_finished(id); }));
  if (skipped)
    log::warn("the catalog is older than the store: what was pushed since has lost its names; its bytes are kept, and "
              "counted by 'slipway doctor --deep'",
              {{"catalog", m_catalog.name}});
  return {};
}

Result<> DataDirectory::expect_place() {
  TRY(expect_not_moved(catalog()));
  return catalog().pair_with_store(m_store_id);
}

DataDirectory::~DataDirectory() {
  if (m_announced) ::unlink((m_path / "server.json").c_str());
}

Result<> DataDirectory::announce(const std::vector<std::string>& urls) {
  const auto file = m_path / "server.json";
  auto written = write_file_atomically(file, Json{{"pid", ::getpid()}, {"listen", urls}}.dump() + "\n");
  m_announced = written.has_value();
  if (!written) ::unlink(file.c_str());  // one that a killed server left would lead astray
  return written;
}

}  // namespace slipway::cli
