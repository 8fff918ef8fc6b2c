#include "lifecycle/rebuild.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "catalog/journal.hpp"
#include "catalog/keep.hpp"
#include "cli/catalog_place.hpp"
#include "cli/commands.hpp"
#include "cli/fresh_catalog.hpp"
#include "cli/progress.hpp"
#include "cli/store_place.hpp"
#include "sql/sqlite.hpp"

#include <fmt/format.h>
#include <optional>

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

Result<lifecycle::RebuildReport> fill(sql::Database& database, blob::Objects& journal, const RebuildOptions& options,
                                      const Clock& clock) {
  catalog::Rebuild rebuild(database, clock);
  std::optional<Progress> progress;
  return lifecycle::rebuild(journal, {options.generation, options.partial}, rebuild,
                            [&](std::uint64_t done, std::uint64_t total) {
                              if (!progress) progress.emplace("reading the journal", total);
                              progress->add(done);
                            });
}

/// The tables in which two catalogs differ.
Result<std::vector<std::string>> compare(sql::Database& rebuilt, sql::Database& present) {
  TRY_ASSIGN(const auto ours, catalog::journal_prints(rebuilt));
  TRY_ASSIGN(const auto theirs, catalog::journal_prints(present));
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
Result<> look_at_blobs(catalog::Catalog& catalog, blob::BlobStore& store, bool deep, Outcome& outcome) {
  TRY_ASSIGN(const auto identity, store.identity());
  TRY(catalog.pair_with_store(identity));
  TRY_ASSIGN(const auto total, catalog.blob_totals());
  outcome.blobs = total.blobs;
  Progress progress(deep ? "hashing" : "looking for bytes", total.bytes);
  return catalog.for_each_location([&](const catalog::StoredBlob& blob, const Digest& digest) -> Result<> {
    const auto whole = deep ? check_bytes(store, blob, digest) : store.probe(blob.location);
    progress.add(blob.size);
    if (whole) return {};
    if (whole.error().failure != Failure::not_found && whole.error().failure != Failure::corrupt) return whole;
    if (++outcome.lost_blobs <= lost_named_max) outcome.lost.push_back(digest.text());
    return {};
  });
}

/// Makes a catalog in a new file. `present`: what to compare it with.
Result<Outcome> fill_file(const fs::path& fresh, StorePlace& place, sql::Database* present,
                          const RebuildOptions& options, const Clock& clock) {
  Outcome outcome;
  {
    TRY_ASSIGN(const auto empty, sql::SqliteDatabase::open(fresh, sql::SqliteMode::fill));
    TRY_ASSIGN(outcome.journal, fill(*empty, place.journal(), options, clock));
  }
  TRY(sql::check_sqlite(fresh));
  TRY_ASSIGN(const auto database, sql::SqliteDatabase::open(fresh));
  if (present) {
    TRY_ASSIGN(outcome.differences, compare(*database, *present));
  }
  TRY_ASSIGN(const auto catalog, catalog::Catalog::open(*database, clock));
  TRY(look_at_blobs(*catalog, place.store(), options.deep, outcome));
  return outcome;
}

/// With --check: what is there stays as it is.
Result<Outcome> check(const Config& config, StorePlace& place, const RebuildOptions& options, const Clock& clock) {
  TRY_ASSIGN(auto present, CatalogPlace::open(config, clock, CatalogUse::existing));
  std::optional<Quiet> quiet;  // a file's directory is locked already
  if (present.database->is_shared()) {
    TRY_ASSIGN(quiet, Quiet::expect(config, present));
  }
  TRY_ASSIGN(const auto fresh, FreshCatalog::begin(config.data));
  return fill_file(fresh.file(), place, present.database.get(), options, clock);
}

Result<Outcome> rebuild_file(const Config& config, StorePlace& place, const RebuildOptions& options,
                             const Clock& clock) {
  TRY(expect_no_catalog(config.data / "catalog.sqlite"));
  TRY_ASSIGN(auto fresh, FreshCatalog::begin(config.data));
  TRY_ASSIGN(auto outcome, fill_file(fresh.file(), place, nullptr, options, clock));
  TRY(fresh.settle());
  return outcome;
}

/// In a database that has no tables; servers take it for unfinished until the end.
Result<Outcome> rebuild_database(const Config& config, StorePlace& place, const RebuildOptions& options,
                                 const Clock& clock) {
  Outcome outcome;
  {
    TRY_ASSIGN(const auto empty, CatalogPlace::connect(config));
    TRY_ASSIGN(outcome.journal, fill(*empty, place.journal(), options, clock));
  }
  TRY_ASSIGN(const auto catalog, CatalogPlace::open(config, clock, CatalogUse::existing));
  TRY(look_at_blobs(*catalog.catalog, place.store(), options.deep, outcome));
  return outcome;
}

Result<Outcome> rebuild(const Config& config, const RebuildOptions& options, const Clock& clock) {
  std::error_code error;
  if (config.store.empty() && !fs::exists(config.data / "store/store.id", error))
    return fail(Failure::not_found, config.data.string() + " is not a Slipway data directory: there is no store in it");
  TRY_ASSIGN(const auto lock, DirectoryLock::take(config.data));
  TRY_ASSIGN(const auto place, StorePlace::open(config, clock, StoreUse::existing));
  if (options.check) return check(config, *place, options, clock);
  return config.catalog.empty() ? rebuild_file(config, *place, options, clock)
                                : rebuild_database(config, *place, options, clock);
}

void tell(const Outcome& outcome, const RebuildOptions& options, const Config& config) {
  const auto& journal = outcome.journal;
  fmt::print("{} {}: change {} of generation {}, {} rows read from {} objects\n",
             options.check ? "compared" : "rebuilt", CatalogPlace::name_of(config), journal.through, journal.generation,
             journal.rows, journal.objects);
  if (options.check && outcome.differences.empty()) fmt::print("a rebuilt catalog would be equal\n");
  for (const auto& difference : outcome.differences) fmt::print("differs: {}\n", difference);
  if (outcome.lost_blobs == 0)
    fmt::print("{} blobs have their bytes{}\n", outcome.blobs, options.deep ? ", and the right ones" : "");
  for (const auto& digest : outcome.lost) fmt::print(stderr, "lost or damaged: {}\n", digest);
  if (outcome.lost_blobs > 0)
    fmt::print(stderr, "slipway: {} of {} blobs are lost or damaged; pushing them again heals those that are lost\n",
               outcome.lost_blobs, outcome.blobs);
  if (!options.check) fmt::print("Next: {}\n", serve_command(config));
}

}  // namespace

int run_rebuild(const Common& common, const RebuildOptions& options) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
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
    tell(*outcome, options, *config);
  return outcome->differences.empty() && outcome->lost_blobs == 0 ? exit_done : exit_failed;
}

}  // namespace slipway::cli
