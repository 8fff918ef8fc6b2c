#include "lifecycle/rebuild.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "catalog/journal.hpp"
#include "catalog/keep.hpp"
#include "cli/commands.hpp"
#include "cli/data_directory.hpp"
#include "cli/progress.hpp"

#include <array>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>

namespace slipway::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t lost_named_max = 100;

/// What a rebuild found.
struct Outcome {
  lifecycle::RebuildReport journal;
  std::vector<std::string> differences;  ///< with --check
  std::uint64_t blobs = 0;
  std::uint64_t lost_blobs = 0;
  std::vector<std::string> lost;  ///< digests, at most lost_named_max
};

/// The files that SQLite may have for a database.
constexpr std::array<const char*, 4> suffixes = {"", "-wal", "-shm", "-journal"};

Result<> remove_database(const fs::path& file) {
  for (const auto* suffix : suffixes)
    if (::unlink((file.string() + suffix).c_str()) < 0 && errno != ENOENT)
      return fail_errno(errno, "removing " + file.string() + suffix);
  return {};
}

Result<> expect_no_catalog(const fs::path& file) {
  for (const auto* suffix : {"", "-wal", "-journal"}) {
    std::error_code error;
    if (fs::exists(file.string() + suffix, error))
      return fail(Failure::conflict, file.string() + suffix +
                                         " is there: --check compares what would be rebuilt with it; to replace it, "
                                         "move it away, together with its -wal file");
  }
  return {};
}

Result<lifecycle::RebuildReport> fill(const fs::path& file, blob::Objects& journal, const RebuildOptions& options,
                                      const Clock& clock) {
  TRY(remove_database(file));
  TRY_ASSIGN(const auto database, sql::SqliteDatabase::open(file, sql::SqliteMode::fill));
  catalog::Rebuild rebuild(*database, clock);
  std::optional<Progress> progress;
  return lifecycle::rebuild(journal, {options.generation, options.partial}, rebuild,
                            [&](std::uint64_t done, std::uint64_t total) {
                              if (!progress) progress.emplace("reading the journal", total);
                              progress->add(done);
                            });
}

/// The tables in which two catalogs differ.
Result<std::vector<std::string>> compare(const fs::path& rebuilt, const fs::path& present) {
  TRY_ASSIGN(const auto one, sql::SqliteDatabase::open(rebuilt, sql::SqliteMode::read_only));
  TRY_ASSIGN(const auto other, sql::SqliteDatabase::open(present, sql::SqliteMode::read_only));
  TRY_ASSIGN(const auto ours, catalog::journal_prints(*one));
  TRY_ASSIGN(const auto theirs, catalog::journal_prints(*other));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (ours[i] != theirs[i])
      out.push_back(fmt::format("{}: {} rows rebuilt, {} in the catalog", ours[i].table, ours[i].rows, theirs[i].rows));
  return out;
}

Result<> check_bytes(blob::BlobStore& store, const catalog::StoredBlob& blob, const Digest& digest) {
  TRY_ASSIGN(const auto slice, store.open(blob.location, {0, blob.size}));
  return catalog::check_bytes(slice, digest);
}

/// Whether each blob has its bytes; `deep`: the right ones.
Result<> look_at_blobs(const fs::path& file, blob::BlobStore& store, const Clock& clock, bool deep, Outcome& outcome) {
  TRY_ASSIGN(const auto database, sql::SqliteDatabase::open(file));
  TRY_ASSIGN(const auto catalog, catalog::Catalog::open(*database, clock));
  TRY_ASSIGN(const auto identity, store.identity());
  TRY(catalog->pair_with_store(identity));
  TRY_ASSIGN(const auto total, catalog->blob_totals());
  outcome.blobs = total.blobs;
  Progress progress(deep ? "hashing" : "looking for bytes", total.bytes);
  return catalog->for_each_location([&](const catalog::StoredBlob& blob, const Digest& digest) -> Result<> {
    const auto whole = deep ? check_bytes(store, blob, digest) : store.probe(blob.location);
    progress.add(blob.size);
    if (whole) return {};
    if (whole.error().failure != Failure::not_found && whole.error().failure != Failure::corrupt) return whole;
    if (++outcome.lost_blobs <= lost_named_max) outcome.lost.push_back(digest.text());
    return {};
  });
}

/// Makes the catalog in `fresh`, and says what can be said of it.
Result<Outcome> prepare(const fs::path& fresh, const Config& config, const RebuildOptions& options,
                        const Clock& clock) {
  Outcome outcome;
  TRY_ASSIGN(const auto place, StorePlace::open(config, clock, false));
  TRY_ASSIGN(outcome.journal, fill(fresh, place->journal(), options, clock));
  TRY(sql::check_sqlite(fresh));
  if (options.check) {
    TRY_ASSIGN(outcome.differences, compare(fresh, config.data / "catalog.sqlite"));
  }
  TRY(look_at_blobs(fresh, place->store(), clock, options.deep, outcome));
  return outcome;
}

Result<Outcome> rebuild(const Config& config, const RebuildOptions& options, const Clock& clock) {
  const auto& data = config.data;
  const auto catalog_file = data / "catalog.sqlite";
  const auto fresh = data / "catalog.sqlite.rebuilt";
  std::error_code error;
  if (config.store.empty() && !fs::exists(data / "store/store.id", error))
    return fail(Failure::not_found, data.string() + " is not a Slipway data directory: there is no store in it");
  TRY_ASSIGN(const auto lock, DirectoryLock::take(data));
  if (!options.check) TRY(expect_no_catalog(catalog_file));
  if (options.check && !fs::exists(catalog_file, error))
    return fail(Failure::not_found, catalog_file.string() + " is not there: there is nothing to compare with");
  auto outcome = prepare(fresh, config, options, clock);
  if (options.check || !outcome) {
    const auto removed = remove_database(fresh);
    return outcome && !removed ? std::unexpected(removed.error()) : outcome;
  }
  TRY(sql::settle_sqlite(fresh));
  if (::rename(fresh.c_str(), catalog_file.c_str()) < 0) return fail_errno(errno, "naming " + fresh.string());
  TRY(sync_directory(data));
  return outcome;
}

void tell(const Outcome& outcome, const RebuildOptions& options, const fs::path& data) {
  const auto& journal = outcome.journal;
  fmt::print("{} {}/catalog.sqlite: change {} of generation {}, {} rows read from {} objects\n",
             options.check ? "compared" : "rebuilt", data.string(), journal.through, journal.generation, journal.rows,
             journal.objects);
  if (options.check && outcome.differences.empty()) fmt::print("a rebuilt catalog would be equal\n");
  for (const auto& difference : outcome.differences) fmt::print("differs: {}\n", difference);
  if (outcome.lost_blobs == 0)
    fmt::print("{} blobs have their bytes{}\n", outcome.blobs, options.deep ? ", and the right ones" : "");
  for (const auto& digest : outcome.lost) fmt::print(stderr, "lost or damaged: {}\n", digest);
  if (outcome.lost_blobs > 0)
    fmt::print(stderr, "slipway: {} of {} blobs are lost or damaged; pushing them again heals those that are lost\n",
               outcome.lost_blobs, outcome.blobs);
  if (!options.check) fmt::print("Next: slipway serve --data {}\n", data.string());
}

}  // namespace

int run_rebuild(const Common& common, const RebuildOptions& options) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
  if (const auto sqlite = expect_sqlite(*config, "rebuild"); !sqlite) return report(sqlite.error());
  const auto outcome = rebuild(*config, options, SystemClock());
  if (!outcome) return report(outcome.error());
  if (common.json)
    fmt::print("{}\n", Json{{"generation", outcome->journal.generation},
                            {"through", outcome->journal.through},
                            {"objects", outcome->journal.objects},
                            {"rows", outcome->journal.rows},
                            {"differences", outcome->differences},
                            {"blobs", outcome->blobs},
                            {"lost_blobs", outcome->lost_blobs},
                            {"lost", outcome->lost}}
                           .dump(2));
  else
    tell(*outcome, options, config->data);
  return outcome->differences.empty() && outcome->lost_blobs == 0 ? exit_done : exit_failed;
}

}  // namespace slipway::cli
