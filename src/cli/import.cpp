#include "moving/import.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/commands.hpp"
#include "cli/data_directory.hpp"
#include "cli/findings.hpp"

#include <fmt/format.h>

namespace slipway::cli {
namespace {

Result<std::unique_ptr<moving::SourceTree>> open_source(const std::string& from, const Clock& clock) {
  return from.starts_with("s3://") ? moving::SourceTree::open_bucket(from, clock)
                                   : moving::SourceTree::open_directory(from);
}

/// Null where a dry run finds nothing: then all there is would be new.
Result<std::unique_ptr<DataDirectory>> open_target(const Config& config, const Clock& clock, bool dry_run) {
  auto directory = DataDirectory::open(config, clock, !dry_run);
  if (!directory && dry_run && directory.error().failure == Failure::not_found) return nullptr;
  return directory;
}

Result<moving::ImportReport> import(const Config& config, const ImportOptions& options, Findings& findings) {
  const SystemClock clock;
  TRY_ASSIGN(const auto tree, open_source(options.from, clock));
  auto source = moving::DockerRegistry::open(*tree);
  if (!source) return std::unexpected(source.error().during(options.from));
  TRY_ASSIGN(const auto directory, open_target(config, clock, options.dry_run));
  std::optional<moving::Target> target;
  if (directory) target.emplace(directory->catalog(), directory->store(), directory->store_id());

  Progress progress(options.dry_run ? "looking" : "copying", 0);
  return moving::import_repositories(*source, target ? &*target : nullptr,
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

void tell(const moving::ImportReport& report, bool dry_run, const std::filesystem::path& data) {
  fmt::print("{} {} repositories: {} blobs ({}) copied, {} given that were in the store, {} there before\n",
             dry_run ? "would import" : "imported", report.repositories, report.copied_blobs,
             human_size(report.copied_bytes), report.given_blobs, report.kept_blobs);
  fmt::print("manifests: {} new, {} there before; tags: {} set, {} there before\n", report.new_manifests,
             report.kept_manifests, report.set_tags, report.kept_tags);
  if (report.problems > 0)
    fmt::print(stderr, "slipway: {} things could not be imported; they are named above\n", report.problems);
  if (!dry_run) fmt::print("Next: slipway serve --data {}\n", data.string());
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
    tell(*imported, options.dry_run, config->data);
  return imported->problems == 0 ? exit_done : exit_failed;
}

}  // namespace slipway::cli
