#include "base/bytes.hpp"
#include "base/json.hpp"
#include "blob/copy_mark.hpp"
#include "cli/catalog_place.hpp"
#include "cli/commands.hpp"
#include "cli/progress.hpp"
#include "cli/store_place.hpp"
#include "moving/store_copy.hpp"

#include <fmt/format.h>

namespace slipway::cli {
namespace fs = std::filesystem;
namespace {

struct Outcome {
  moving::CopyReport blobs;
  std::uint64_t removed = 0;  ///< objects of the copy that nobody wants any more
  std::string place;          ///< the store that was written to, or read
};

/// SQLite's catalog lies beside the files of its store.
Result<> expect_beside_catalog(const Config& from, const Config& to) {
  std::error_code error;
  const auto same = [&] { return fs::weakly_canonical(to.data, error) == fs::weakly_canonical(from.data, error); };
  if (!to.catalog.empty() || !to.store.empty() || same()) return {};
  return fail(Failure::invalid,
              fmt::format("the catalog {} serves only files in its own directory: copy to {}; 'slipway backup' and "
                          "'slipway restore' bring both to another directory",
                          CatalogPlace::name_of(from), from.data.string()));
}

moving::CopyOptions copy_options(const StoreOptions& options, Progress& progress) {
  return {.jobs = options.jobs, .bytes_per_second = options.rate, .advance = [&](std::uint64_t bytes) {
            progress.add(bytes);
          }};
}

/// The source is still what it was: one whose disk has gone has lost every blob, it seems.
Result<> expect_still_there(StorePlace& source, const std::string& identity) {
  TRY_ASSIGN(const auto now, source.root().get("store.id"));
  if (now.starts_with(identity)) return {};
  return fail(Failure::conflict, source.name() + " has become another store meanwhile");
}

/// The catalog goes on with the copy; the store that it was made of is nobody's from then on.
Result<> finish(catalog::Catalog& catalog, StorePlace& target, blob::CopyMark& mark, Quiet& quiet, Outcome& outcome) {
  TRY(quiet.renew());
  TRY_ASSIGN(outcome.removed, moving::remove_unknown(catalog, target.store()));
  return mark.finish([&](const std::string& identity) {
    return catalog.move_to_store(identity, [&](sql::Session& session) { return quiet.expect_still(session); });
  });
}

/// Servers may go on meanwhile, unless it is to be finished.
Result<Outcome> copy(const Config& from, const Config& to, const StoreOptions& options, const Clock& clock) {
  TRY_ASSIGN(auto place, CatalogPlace::open(from, clock, options.finish ? CatalogUse::existing : CatalogUse::beside));
  TRY(expect_beside_catalog(from, to));
  auto& catalog = *place.catalog;
  TRY(expect_not_moved(catalog));
  std::optional<Quiet> quiet;
  if (options.finish) {
    TRY_ASSIGN(quiet, Quiet::expect(from, place));
  }
  TRY_ASSIGN(const auto source, StorePlace::open(from, clock, StoreUse::beside));
  TRY_ASSIGN(const auto identity, source->store().identity());
  TRY_ASSIGN(const auto target, StorePlace::open(to, clock, StoreUse::copy));
  auto held = target->hold_copying();  // before its mark is read; but what that says comes first
  TRY_ASSIGN(auto mark,
             blob::CopyMark::begin(target->root(), target->name(), identity, [&] { return target->is_unused(); }));
  if (!held) return std::unexpected(held.error());
  TRY_ASSIGN(const auto source_held, source->hold_copying());
  Outcome outcome{.place = target->name()};
  TRY_ASSIGN(const auto owner, catalog.setting("store_id"));
  if (quiet && owner == mark.identity()) {  // was killed just before its end
    TRY(mark.finish([](const std::string&) { return Result<>(); }));
    return outcome;
  }
  TRY(expect_pair(catalog, *source));
  if (mark.identity().empty()) TRY(target->discard_unfinished());

  TRY_ASSIGN(const auto total, catalog.blob_totals());
  Progress progress("copying", total.bytes);
  TRY_ASSIGN(outcome.blobs, moving::copy_store(catalog, source->store(), target->store(),
                                               copy_options(options, progress), mark.damaged_packs()));
  TRY(mark.set_damaged_packs(outcome.blobs.damaged_packs));
  if (!quiet) return outcome;
  TRY(expect_still_there(*source, identity));
  TRY(finish(catalog, *target, mark, *quiet, outcome));
  return outcome;
}

Result<Outcome> verify(const Config& config, const StoreOptions& options, const Clock& clock) {
  TRY_ASSIGN(const auto place, CatalogPlace::open(config, clock, CatalogUse::beside));
  TRY(expect_not_moved(*place.catalog));
  TRY_ASSIGN(const auto store, StorePlace::open(config, clock, StoreUse::beside));
  TRY(expect_pair(*place.catalog, *store));
  TRY_ASSIGN(const auto total, place.catalog->blob_totals());
  Progress progress("reading", total.bytes);
  Outcome outcome{.place = store->name()};
  TRY_ASSIGN(outcome.blobs, moving::verify_store(*place.catalog, store->store(), copy_options(options, progress)));
  return outcome;
}

int tell_damage(const moving::CopyReport& report, const char* remedy) {
  if (report.damaged_blobs == 0) return exit_done;
  for (const auto& digest : report.damaged) fmt::print(stderr, "lost or damaged: {}\n", digest);
  fmt::print(stderr, "slipway: {} blobs are lost or damaged{}; {}\n", report.damaged_blobs,
             report.damaged.size() < report.damaged_blobs ? fmt::format(" ({} are named)", report.damaged.size()) : "",
             remedy);
  return exit_failed;
}

void print_json(const Outcome& outcome, const StoreOptions& options) {
  const auto& report = outcome.blobs;
  Json json{{"store", outcome.place},
            {"blobs", report.blobs},
            {"blob_bytes", report.blob_bytes},
            {"damaged_blobs", report.damaged_blobs},
            {"damaged", report.damaged}};
  if (!options.to.empty())
    json.update(Json{{"copied_objects", report.copied_objects},
                     {"copied_bytes", report.copied_bytes},
                     {"removed_objects", outcome.removed},
                     {"finished", options.finish}});
  fmt::print("{}\n", json.dump(2));
}

Result<Config> source_config(const Common& common, const std::string& from) {
  auto config = load_config(common);
  return config && !from.empty() ? with_store(std::move(*config), from) : config;
}

}  // namespace

int run_store_copy(const Common& common, const StoreOptions& options) {
  const auto from = source_config(common, options.from);
  if (!from) return report(from.error());
  const auto to = with_store(*from, options.to);
  const auto outcome = copy(*from, to, options, SystemClock());
  if (!outcome) return report(outcome.error());
  const auto& blobs = outcome->blobs;
  if (common.json) {
    print_json(*outcome, options);
  } else {
    fmt::print("{} holds {} blobs, {}: {} objects ({}) copied, {} removed\n", outcome->place, blobs.blobs,
               human_size(blobs.blob_bytes), blobs.copied_objects, human_size(blobs.copied_bytes), outcome->removed);
    fmt::print("Next: {}\n", options.finish ? serve_command(to)
                                            : "stop all servers, and run the same command with --finish: it copies "
                                              "what has come since, and has the catalog go on with the copy");
  }
  return tell_damage(blobs, "they were so before; pushing them again heals them");
}

int run_store_verify(const Common& common, const StoreOptions& options) {
  const auto config = source_config(common, options.from);
  if (!config) return report(config.error());
  const auto outcome = verify(*config, options, SystemClock());
  if (!outcome) return report(outcome.error());
  const auto& blobs = outcome->blobs;
  if (common.json)
    print_json(*outcome, options);
  else if (blobs.damaged_blobs == 0)
    fmt::print("{}: {} blobs, {}, have the right bytes\n", outcome->place, blobs.blobs, human_size(blobs.blob_bytes));
  return tell_damage(blobs, "pushing them again heals those that are lost");
}

}  // namespace slipway::cli
