#include "moving/import.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/catalog_place.hpp"
#include "cli/commands.hpp"
#include "cli/data_directory.hpp"
#include "cli/findings.hpp"
#include "cli/store_place.hpp"

#include <fmt/format.h>

namespace slipway::cli {
namespace {

Result<std::unique_ptr<moving::SourceTree>> open_source(const std::string& from, const Clock& clock) {
  return from.starts_with("s3://") ? moving::SourceTree::open_bucket(from, clock)
                                   : moving::SourceTree::open_directory(from);
}

/// What is imported into: a data directory of this process's, or what a dry run looks at beside a server.
struct Place {
  std::unique_ptr<DataDirectory> directory;
  std::unique_ptr<StorePlace> store;
  CatalogPlace catalog;
  std::optional<moving::Target> target;  ///< absent: there is nothing yet, and all would be new
};

Result<Place> open_place(const Config& config, const Clock& clock) {
  Place out;
  TRY_ASSIGN(out.directory, DataDirectory::open(config, clock, true));
  auto& directory = *out.directory;
  out.target.emplace(directory.catalog(), directory.store(), directory.store_id());
  return out;
}

/// Nothing is made.
Result<Place> look_at_place(const Config& config, const Clock& clock) {
  Place out;
  auto store = StorePlace::open(config, clock, StoreUse::beside);
  if (!store && store.error().failure == Failure::not_found) return out;
  if (!store) return std::unexpected(store.error());
  out.store = std::move(*store);
  TRY_ASSIGN(out.catalog, CatalogPlace::open(config, clock, CatalogUse::beside));
  TRY(expect_not_moved(*out.catalog.catalog));
  TRY(expect_pair(*out.catalog.catalog, *out.store));
  TRY_ASSIGN(const auto identity, out.store->store().identity());
  out.target.emplace(*out.catalog.catalog, out.store->store(), identity);
  return out;
}

Result<moving::ImportReport> import(const Config& config, const ImportOptions& options, Findings& findings) {
  const SystemClock clock;
  TRY_ASSIGN(const auto tree, open_source(options.from, clock));
  auto source = moving::DockerRegistry::open(*tree);
  if (!source) return std::unexpected(source.error().during(options.from));
  TRY_ASSIGN(const auto place, options.dry_run ? look_at_place(config, clock) : open_place(config, clock));
  Progress progress(options.dry_run ? "looking" : "copying", 0);
  return moving::import_repositories(*source, place.target ? &*place.target : nullptr,
                                     {.repositories = options.repositories,
                                      .jobs = options.jobs,
                                      .dry_run = options.dry_run,
                                      .manifest = {.size_max = config.manifest_bytes}},
                                     findings.listener(progress));
}

Json json_of(const moving::ImportReport& report, const ImportOptions& options, const Findings& findings) {
  return {{"from", options.from},
          {"dry_run", options.dry_run},
          {"repositories", report.repositories},
          {"copied_blobs", report.copied_blobs},
          {"copied_bytes", report.copied_bytes},
          {"given_blobs", report.given_blobs},
          {"kept_blobs", report.kept_blobs},
          {"new_manifests", report.new_manifests},
          {"kept_manifests", report.kept_manifests},
          {"set_tags", report.set_tags},
          {"kept_tags", report.kept_tags},
          {"problem_count", report.problems},
          {"problems", findings.problems},
          {"note_count", report.notes},
          {"notes", findings.notes}};
}

void tell(const moving::ImportReport& report, bool dry_run, const Config& config) {
  fmt::print("{} {} repositories: {} blobs ({}) copied, {} given that were in the store, {} there before\n",
             dry_run ? "would import" : "imported", report.repositories, report.copied_blobs,
             human_size(report.copied_bytes), report.given_blobs, report.kept_blobs);
  fmt::print("manifests: {} new, {} there before; tags: {} set, {} there before\n", report.new_manifests,
             report.kept_manifests, report.set_tags, report.kept_tags);
  if (report.problems > 0)
    fmt::print(stderr, "slipway: {} things could not be imported; they are named above\n", report.problems);
  if (!dry_run) fmt::print("Next: {}\n", serve_command(config));
}

}  // namespace

int run_import(const Common& common, const ImportOptions& options) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
  Findings findings;
  const auto imported = import(*config, options, findings);
  if (!imported) return report(imported.error());
  if (common.json)
    fmt::print("{}\n", json_of(*imported, options, findings).dump(2, ' ', false, Json::error_handler_t::replace));
  else
    tell(*imported, options.dry_run, *config);
  return imported->problems == 0 ? exit_done : exit_failed;
}

}  // namespace slipway::cli
