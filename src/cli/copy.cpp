#include "cli/copy.hpp"

#include "base/json.hpp"
#include "blob/fs_store.hpp"
#include "catalog/keep.hpp"
#include "cli/data_directory.hpp"
#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <unordered_set>

namespace slipway::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* catalog_name = "catalog.sqlite";
constexpr std::size_t damaged_named_max = 100;

/// A catalog in a file, with what it stands on.
struct OpenCatalog {
  std::unique_ptr<sql::SqliteDatabase> database;
  std::unique_ptr<catalog::Catalog> catalog;
};

Result<OpenCatalog> open_catalog(const fs::path& file, const Clock& clock, bool read_only) {
  OpenCatalog out;
  TRY_ASSIGN(out.database,
             sql::SqliteDatabase::open(file, read_only ? sql::SqliteMode::read_only : sql::SqliteMode::read_write));
  TRY_ASSIGN(out.catalog, catalog::Catalog::open(*out.database, clock, read_only));
  return out;
}

Result<> remove_if_there(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  return error ? fail_errno(error.value(), "removing " + file.string()) : Result<>();
}

/// Copies the bytes of every location of a catalog that the other store lacks, checking them on the way.
class BlobCopy {
public:
  BlobCopy(blob::FsStore& from, blob::FsStore& to, CopyReport& report, std::uint64_t total,
           std::set<std::string> suspects)
      : m_from(from), m_to(to), m_report(report), m_progress("copying", total), m_suspects(std::move(suspects)) {}

  Result<> copy(const catalog::StoredBlob& blob, const Digest& digest) {
    ++m_report.blobs;
    m_report.blob_bytes += blob.size;
    auto copied = blob.location.kind == blob::LocationKind::pack ? copy_packed(blob, digest) : copy_raw(blob, digest);
    m_progress.add(blob.size);
    if (copied || !is_damage(copied.error().failure)) return copied;
    ++m_report.damaged_blobs;
    if (m_report.damaged.size() < damaged_named_max) m_report.damaged.push_back(digest.text());
    return {};
  }

private:
  /// The rest is worth copying all the same.
  static bool is_damage(Failure failure) { return failure == Failure::not_found || failure == Failure::corrupt; }

  Result<> copy_raw(const catalog::StoredBlob& blob, const Digest& digest) {
    if (m_to.open(blob.location, {0, blob.size})) return {};
    TRY_ASSIGN(const auto slice, m_from.open(blob.location, {0, blob.size}));
    TRY_ASSIGN(const auto upload, m_to.begin(blob.location.id, false));
    TRY(catalog::check_bytes(slice, digest, [&](ByteView piece) { return upload->write(piece); }));
    TRY_ASSIGN(const auto location, upload->finish());
    SLIPWAY_INVARIANT(location.key == blob.location.key);
    ++m_report.copied_files;
    m_report.copied_bytes += blob.size;
    return {};
  }

  Result<> copy_packed(const catalog::StoredBlob& blob, const Digest& digest) {
    const auto& key = blob.location.key;
    if (m_kept_packs.contains(key)) return {};
    if (!m_copied_packs.contains(key)) TRY(copy_pack(key));
    if (m_kept_packs.contains(key)) return {};
    auto checked = check_packed(blob, digest);
    if (!checked && is_damage(checked.error().failure)) m_report.damaged_packs.insert(key);
    return checked;
  }

  Result<> copy_pack(const std::string& key) {
    const auto size = m_from.copy_pack(key, m_to);
    if (!size && !is_damage(size.error().failure)) return std::unexpected(size.error());
    const bool is_kept = size && !*size;
    (is_kept && !m_suspects.contains(key) ? m_kept_packs : m_copied_packs).insert(key);
    if (!size || is_kept) return {};  // where it is damaged, each blob may still be in what was copied earlier
    ++m_report.copied_files;
    m_report.copied_bytes += **size;
    return {};
  }

  /// What is wrong in the copy is taken again from where it is right.
  Result<> check_packed(const catalog::StoredBlob& blob, const Digest& digest) {
    TRY_ASSIGN(const auto there, m_to.open(blob.location, {0, blob.size}));
    auto checked = catalog::check_bytes(there, digest);
    if (checked || !is_damage(checked.error().failure)) return checked;
    const auto here = m_from.open(blob.location, {0, blob.size});
    std::vector<std::byte> bytes;
    const auto collect = [&](ByteView piece) -> Result<> {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return {};
    };
    if (!here || !catalog::check_bytes(*here, digest, collect)) return checked;
    return m_to.overwrite(blob.location, bytes);
  }

  blob::FsStore& m_from;
  blob::FsStore& m_to;
  CopyReport& m_report;
  Progress m_progress;
  const std::set<std::string> m_suspects;          // packs in which something was wrong the last time
  std::unordered_set<std::string> m_kept_packs;    // as they were, and were right then
  std::unordered_set<std::string> m_copied_packs;  // every blob of them is checked
};

/// Takes from a store what its catalog does not speak of.
Result<std::uint64_t> remove_unknown(catalog::Catalog& catalog, blob::FsStore& store) {
  constexpr std::size_t page = 1000;
  std::uint64_t removed = 0;
  std::vector<blob::Location> objects;
  Result<> problem;
  const auto remove = [&]() -> Result<> {
    TRY_ASSIGN(const auto unknown, catalog.unknown(objects));
    for (const auto& object : unknown) TRY(store.remove(object));
    removed += unknown.size();
    objects.clear();
    return {};
  };
  TRY(store.list([&](const blob::Location& object) {
    objects.push_back(object);
    if (objects.size() == page && problem) problem = remove();
  }));
  TRY(problem);
  TRY(remove());
  return removed;
}

/// A store in `path` with the identity of another. conflict where there is one with an identity of its own.
Result<std::unique_ptr<blob::FsStore>> open_twin(const fs::path& path, const std::string& identity) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail_errno(error.value(), "making " + path.string());
  if (!fs::exists(path / "store.id", error)) TRY(write_file_atomically(path / "store.id", identity + "\n"));
  TRY_ASSIGN(auto store, blob::FsStore::open(path));
  TRY_ASSIGN(const auto known, store->identity());
  if (known != identity)
    return fail(Failure::conflict, fmt::format("{} belongs to store {}, this is store {}: choose another directory",
                                               path.string(), known, identity));
  return store;
}

/// Whether a copy is to be kept beside the original, or to be gone on with.
enum class Purpose { backup, restore };

/// Copies one state of `from` to `to`, which is locked by the caller. `suspects`: packs of `to` to be looked at again.
Result<CopyReport> copy_state(const fs::path& from, const fs::path& to, const Clock& clock, Purpose purpose,
                              std::set<std::string> suspects = {}) {
  TRY_ASSIGN(const auto source, blob::FsStore::open_existing(from / "store"));
  TRY_ASSIGN(const auto identity, source->identity());
  TRY_ASSIGN(const auto target, open_twin(to / "store", identity));
  const auto fresh = to / (std::string(catalog_name) + ".new");
  for (const auto* suffix : {"", "-wal", "-shm", "-journal"}) TRY(remove_if_there(fresh.string() + suffix));

  CopyReport report;
  {
    const auto held = source->hold_removals();  // whatever the copied catalog speaks of stays
    if (!held && held.error().failure != Failure::read_only) return std::unexpected(held.error());
    TRY(sql::copy_sqlite(from / catalog_name, fresh));
    TRY_ASSIGN(const auto copied, open_catalog(fresh, clock, false));
    TRY(copied.catalog->pair_with_store(identity));
    TRY(copied.catalog->forget_unfinished());
    if (purpose == Purpose::restore) TRY(copied.catalog->leave_locations());
    TRY_ASSIGN(const auto total, copied.catalog->blob_totals());
    BlobCopy blobs(*source, *target, report, total.bytes, std::move(suspects));
    TRY(copied.catalog->for_each_location(
        [&](const catalog::StoredBlob& blob, const Digest& digest) { return blobs.copy(blob, digest); }));
  }
  TRY(sql::settle_sqlite(fresh));
  if (::rename(fresh.c_str(), (to / catalog_name).c_str()) < 0) return fail_errno(errno, "naming " + fresh.string());
  TRY(sync_directory(to));
  TRY_ASSIGN(const auto settled, open_catalog(to / catalog_name, clock, true));
  TRY_ASSIGN(report.removed_files, remove_unknown(*settled.catalog, *target));
  return report;
}

Result<bool> has_nothing(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return true;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error))
    if (at->path().filename() != "lock") return false;
  if (error) return fail_errno(error.value(), "looking into " + path.string());
  return true;
}

Result<> expect_catalog(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path / catalog_name, error)) return {};
  return fail(Failure::not_found, path.string() + " is not a Slipway data directory: there is no catalog.sqlite in it");
}

}  // namespace

/// What the last backup found damaged. Nothing where that cannot be read, as of a backup by an older Slipway.
static std::set<std::string> damaged_packs(const fs::path& backup) {
  const auto text = read_file(backup / "backup.json", JsonLimits().size_max);
  const auto json = text ? parse_json(*text) : fail(Failure::not_found, "");
  std::set<std::string> out;
  if (json && json->is_object() && json->contains("damaged_packs"))
    for (const auto& key : (*json)["damaged_packs"])
      if (key.is_string()) out.insert(key.get<std::string>());
  return out;
}

bool is_backup(const fs::path& path) {
  std::error_code error;
  return fs::exists(path / "backup.json", error);
}

Result<CopyReport> back_up(const fs::path& from, const fs::path& to, const Clock& clock) {
  TRY(expect_catalog(from));
  TRY_ASSIGN(const bool empty, has_nothing(to));
  if (!empty && !is_backup(to))
    return fail(Failure::conflict, to.string() + " is neither empty nor a backup: choose another directory");
  TRY_ASSIGN(const auto lock, DirectoryLock::take(to));
  TRY_ASSIGN(const auto identity, read_file(from / "store/store.id", 256));
  const auto mark = [&](const Json& at, const std::set<std::string>& damaged) {
    const Json json{{"store", identity.substr(0, 32)}, {"at", at}, {"damaged_packs", damaged}};
    return write_file_atomically(to / "backup.json", json.dump() + "\n");
  };
  if (empty) TRY(mark(nullptr, {}));  // so that a first backup that is cut short can be gone on with
  const auto begun = clock.now();
  TRY_ASSIGN(auto report, copy_state(from, to, clock, Purpose::backup, damaged_packs(to)));
  TRY(mark(rfc3339(begun), report.damaged_packs));
  return report;
}

Result<CopyReport> restore(const fs::path& from, const fs::path& to, const Clock& clock) {
  if (!is_backup(from))
    return fail(Failure::not_found, from.string() + " is not a backup: 'slipway backup DIR' makes one");
  if (auto whole = expect_catalog(from); !whole)
    return fail(Failure::not_found, from.string() + " holds no whole backup yet: its first one was cut short");
  TRY_ASSIGN(const bool empty, has_nothing(to));
  if (!empty)
    return fail(Failure::conflict, to.string() + " is not empty: a backup is restored to a directory of its own");
  TRY_ASSIGN(const auto lock, DirectoryLock::take(to));
  return copy_state(from, to, clock, Purpose::restore);
}

}  // namespace slipway::cli
