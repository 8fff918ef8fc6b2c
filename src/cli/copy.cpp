#include "cli/copy.hpp"

#include "base/json.hpp"
#include "blob/copy_mark.hpp"
#include "cli/catalog_place.hpp"
#include "cli/fresh_catalog.hpp"
#include "cli/progress.hpp"
#include "cli/store_place.hpp"
#include "moving/catalog_copy.hpp"
#include "sql/sqlite.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* catalog_name = "catalog.sqlite";

/// A catalog in a file that nobody knows yet.
Result<CatalogPlace> open_fresh(const fs::path& file, const Clock& clock) {
  CatalogPlace out{.name = file.string()};
  TRY_ASSIGN(out.database, sql::SqliteDatabase::open(file));
  TRY_ASSIGN(out.catalog, catalog::Catalog::open(*out.database, clock));
  return out;
}

/// One state of a registry's catalog, in a new file.
Result<> copy_to_file(const Config& from, const fs::path& file, const Clock& clock) {
  if (from.catalog.empty()) return sql::copy_sqlite(from.data / catalog_name, file);
  TRY_ASSIGN(const auto source, CatalogPlace::open(from, clock, CatalogUse::beside));
  TRY_ASSIGN(const auto target, sql::SqliteDatabase::open(file, sql::SqliteMode::fill));
  TRY(moving::copy_catalog(*source.database, *target, clock));
  return {};
}

Result<moving::CopyReport> copy_blobs(catalog::Catalog& catalog, blob::BlobStore& from, blob::BlobStore& to,
                                      const std::set<std::string>& suspects = {}) {
  TRY_ASSIGN(const auto total, catalog.blob_totals());
  Progress progress("copying", total.bytes);
  return moving::copy_store(catalog, from, to, {.advance = [&](std::uint64_t bytes) { progress.add(bytes); }},
                            suspects);
}

/// The store of a backup, with the identity of the one that it is of: its catalog goes on as that one's.
Result<std::unique_ptr<StorePlace>> open_twin(const fs::path& backup, const std::string& identity, const Clock& clock) {
  const auto store = backup / "store";
  std::error_code error;
  fs::create_directories(store, error);
  if (error) return fail_errno(error.value(), "making " + store.string());
  if (!fs::exists(store / "store.id", error)) TRY(write_file_atomically(store / "store.id", identity + "\n"));
  TRY_ASSIGN(auto place, StorePlace::open({.data = backup}, clock, StoreUse::copy));
  TRY_ASSIGN(const auto known, place->store().identity());
  if (known != identity)
    return fail(Failure::conflict, fmt::format("{} belongs to store {}, this is store {}: choose another directory",
                                               store.string(), known, identity));
  TRY(place->discard_unfinished());
  return place;
}

/// Copies one state of `from` to the backup `to`, which is locked by the caller. `suspects`: packs to be looked at
/// again.
Result<BackupReport> copy_state(const Config& from, StorePlace& source, const fs::path& to, const Clock& clock,
                                const std::set<std::string>& suspects) {
  TRY_ASSIGN(const auto identity, source.store().identity());
  TRY_ASSIGN(const auto target, open_twin(to, identity, clock));
  TRY_ASSIGN(auto fresh, FreshCatalog::begin(to));
  BackupReport report;
  {
    TRY_ASSIGN(const auto held, source.hold_removals());  // whatever the copied catalog speaks of stays
    TRY(copy_to_file(from, fresh.file(), clock));
    TRY_ASSIGN(const auto copied, open_fresh(fresh.file(), clock));
    TRY(copied.catalog->pair_with_store(identity));
    TRY(expect_not_moved(*copied.catalog));
    TRY(copied.catalog->forget_unfinished());
    TRY_ASSIGN(report.blobs, copy_blobs(*copied.catalog, source.store(), target->store(), suspects));
  }
  TRY(fresh.settle());
  TRY_ASSIGN(const auto settled, CatalogPlace::open({.data = to}, clock, CatalogUse::beside));
  TRY_ASSIGN(report.removed_files, moving::remove_unknown(*settled.catalog, target->store()));
  return report;
}

/// Nothing but what is `ours`, by the beginnings of names.
Result<bool> has_nothing(const fs::path& path, std::initializer_list<std::string_view> ours) {
  std::error_code error;
  if (!fs::exists(path, error)) return true;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().string();
    if (std::ranges::none_of(ours, [&](std::string_view begin) { return name.starts_with(begin); })) return false;
  }
  if (error) return fail_errno(error.value(), "looking into " + path.string());
  return true;
}

Result<> expect_catalog(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path / catalog_name, error)) return {};
  return fail(Failure::not_found, path.string() + " is not a Slipway data directory: there is no catalog.sqlite in it");
}

/// What the last backup found damaged. Nothing where that cannot be read, as of a backup by an older Slipway.
std::set<std::string> damaged_packs(const fs::path& backup) {
  const auto text = read_file(backup / "backup.json", JsonLimits().size_max);
  const auto json = text ? parse_json(*text) : fail(Failure::not_found, "");
  std::set<std::string> out;
  if (json && json->is_object() && json->contains("damaged_packs"))
    for (const auto& key : (*json)["damaged_packs"])
      if (key.is_string()) out.insert(key.get<std::string>());
  return out;
}

/// A backup's catalog, in a database or in the file `fresh`.
Result<CatalogPlace> copy_catalog(CatalogPlace& from, const Config& backup, const Config& to, const fs::path& fresh,
                                  const Clock& clock) {
  if (to.catalog.empty()) {
    TRY(copy_to_file(backup, fresh, clock));
    return open_fresh(fresh, clock);
  }
  TRY_ASSIGN(const auto database, CatalogPlace::connect(to, CatalogUse::existing));
  TRY(moving::copy_catalog(*from.database, *database, clock));
  return CatalogPlace::open(to, clock, CatalogUse::existing);
}

}  // namespace

bool is_backup(const fs::path& path) {
  std::error_code error;
  return fs::exists(path / "backup.json", error);
}

Result<BackupReport> back_up(const Config& from, const fs::path& to, const Clock& clock) {
  if (from.catalog.empty()) TRY(expect_catalog(from.data));
  TRY_ASSIGN(const bool empty, has_nothing(to, {"lock"}));
  if (!empty && !is_backup(to))
    return fail(Failure::conflict, to.string() + " is neither empty nor a backup: choose another directory");
  TRY_ASSIGN(const auto lock, DirectoryLock::take(to));
  TRY_ASSIGN(const auto source, StorePlace::open(from, clock, StoreUse::beside));
  TRY_ASSIGN(const auto identity, source->store().identity());
  const auto mark = [&](const Json& at, const std::set<std::string>& damaged) {
    const Json json{{"store", identity}, {"at", at}, {"damaged_packs", damaged}};
    return write_file_atomically(to / "backup.json", json.dump() + "\n");
  };
  if (empty) TRY(mark(nullptr, {}));  // so that a first backup that is cut short can be gone on with
  const auto begun = clock.now();
  TRY_ASSIGN(auto report, copy_state(from, *source, to, clock, damaged_packs(to)));
  TRY(mark(rfc3339(begun), report.blobs.damaged_packs));
  return report;
}

Result<BackupReport> restore(const fs::path& from, const Config& to, const Clock& clock) {
  if (!is_backup(from))
    return fail(Failure::not_found, from.string() + " is not a backup: 'slipway backup DIR' makes one");
  if (auto whole = expect_catalog(from); !whole)
    return fail(Failure::not_found, from.string() + " holds no whole backup yet: its first one was cut short");
  TRY_ASSIGN(const bool empty, has_nothing(to.data, {"lock", "cache", "store", "catalog.sqlite.new"}));
  if (!empty)
    return fail(Failure::conflict,
                to.data.string() + " is not empty: a backup is restored to a directory of its own (--data)");
  TRY_ASSIGN(const auto lock, DirectoryLock::take(to.data));
  const Config backup{.data = from};
  TRY_ASSIGN(const auto source, StorePlace::open(backup, clock, StoreUse::beside));
  TRY_ASSIGN(auto catalog, CatalogPlace::open(backup, clock, CatalogUse::beside));
  TRY_ASSIGN(const auto original, source->store().identity());
  TRY_ASSIGN(const auto target, StorePlace::open(to, clock, StoreUse::copy));
  TRY_ASSIGN(auto mark,
             blob::CopyMark::begin(target->root(), target->name(), original, [&] { return target->is_unused(); }));
  if (mark.identity().empty()) TRY(target->discard_unfinished());
  BackupReport report;
  TRY_ASSIGN(report.blobs, copy_blobs(*catalog.catalog, source->store(), target->store()));
  TRY_ASSIGN(auto fresh, FreshCatalog::begin(to.data));
  {
    TRY_ASSIGN(const auto copied, copy_catalog(catalog, backup, to, fresh.file(), clock));
    TRY(copied.catalog->forget_unfinished());
    TRY(copied.catalog->leave_locations());
  }
  TRY(mark.finish_as_original([&] { return to.catalog.empty() ? fresh.settle() : Result<>(); }));
  return report;
}

}  // namespace slipway::cli
