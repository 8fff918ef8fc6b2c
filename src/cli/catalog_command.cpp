#include "base/json.hpp"
#include "cli/catalog_place.hpp"
#include "cli/commands.hpp"
#include "cli/fresh_catalog.hpp"
#include "cli/store_place.hpp"
#include "moving/catalog_copy.hpp"
#include "sql/sqlite.hpp"

#include <fmt/format.h>

namespace slipway::cli {
namespace fs = std::filesystem;
namespace {

using moving::CatalogCopyReport;

Result<CatalogCopyReport> copy_to_database(sql::Database& from, const Config& to, const Clock& clock,
                                           const moving::CatalogCopyOptions& options) {
  TRY_ASSIGN(const auto target, CatalogPlace::connect(to, CatalogUse::existing));
  return moving::copy_catalog(from, *target, clock, options);
}

Result<CatalogCopyReport> copy_to_file(sql::Database& from, const Config& to, const Clock& clock,
                                       const moving::CatalogCopyOptions& options) {
  const auto file = to.data / "catalog.sqlite";
  std::error_code error;
  if (fs::exists(file, error))
    return fail(Failure::conflict, file.string() + " is there: move it away, together with its -wal file");
  TRY_ASSIGN(const auto lock, DirectoryLock::take(to.data));
  TRY_ASSIGN(auto fresh, FreshCatalog::begin(to.data));
  CatalogCopyReport report;
  {
    TRY_ASSIGN(const auto target, sql::SqliteDatabase::open(fresh.file(), sql::SqliteMode::fill));
    TRY_ASSIGN(report, moving::copy_catalog(from, *target, clock, options));
  }
  TRY(fresh.settle());
  return report;
}

/// SQLite's catalog lies beside the files of its store, if these are files.
Result<> expect_beside_store(const Config& from, const Config& to) {
  std::error_code error;
  if (!to.catalog.empty() || !to.store.empty()) return {};
  if (fs::weakly_canonical(to.data, error) == fs::weakly_canonical(from.data, error)) return {};
  return fail(
      Failure::invalid,
      fmt::format("the store is files in {}, beside which its catalog has to be: copy it there; 'slipway backup' "
                  "and 'slipway restore' bring both to another directory",
                  from.data.string()));
}

Result<CatalogCopyReport> copy(const Config& from, const Config& to, bool keep_source, const Clock& clock) {
  if (from.catalog == to.catalog && (!to.catalog.empty() || from.data == to.data))
    return fail(Failure::invalid, "the catalog is there already: name another place by --to");
  TRY(expect_beside_store(from, to));
  const auto target = CatalogPlace::name_of(to);
  TRY_ASSIGN(auto place, CatalogPlace::open(from, clock, CatalogUse::existing));
  TRY(expect_not_moved(*place.catalog, target));  // a copy that was cut short after it was marked is made anew
  TRY_ASSIGN(auto quiet, Quiet::expect(from, place));
  const moving::CatalogCopyOptions options{
      .unfinished = true,
      .advance = [&](std::uint64_t) { return quiet.renew(); },
      .settle = [&] { return keep_source ? quiet.renew() : mark_as_moved(*place.catalog, target, quiet); }};
  return to.catalog.empty() ? copy_to_file(*place.database, to, clock, options)
                            : copy_to_database(*place.database, to, clock, options);
}

}  // namespace

int run_catalog_copy(const Common& common, const CatalogOptions& options) {
  auto from = load_config(common);
  if (!from) return report(from.error());
  if (!options.from.empty()) from = with_catalog(std::move(*from), options.from);
  const auto to = with_catalog(*from, options.to);
  const auto copied = copy(*from, to, options.keep_source, SystemClock());
  if (!copied) return report(copied.error());
  if (common.json) {
    fmt::print("{}\n", Json{{"catalog", CatalogPlace::name_of(to)},
                            {"rows", copied->rows},
                            {"uploads", copied->uploads},
                            {"deletions", copied->deletions},
                            {"source_kept", options.keep_source}}
                           .dump(2));
    return exit_done;
  }
  fmt::print("{} holds the catalog: {} rows, equal to those of {}\n", CatalogPlace::name_of(to), copied->rows,
             CatalogPlace::name_of(*from));
  fmt::print("{}\n", options.keep_source
                         ? "once a server has served from one of the two, the other is of no use: they share a store"
                         : "servers refuse the one that it was copied from");
  fmt::print("Next: {}\n", serve_command(to));
  return exit_done;
}

}  // namespace slipway::cli
