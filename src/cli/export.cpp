#include "moving/export.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/catalog_place.hpp"
#include "cli/commands.hpp"
#include "cli/findings.hpp"
#include "cli/store_place.hpp"

#include <fmt/format.h>

namespace slipway::cli {
namespace {

Result<moving::ExportReport> export_to(const Config& config, const ExportOptions& options, Findings& findings) {
  const SystemClock clock;
  moving::ExportOptions wanted{.wanted = {},
                               .jobs = options.jobs,
                               .untagged = options.untagged,
                               .manifest = {.size_max = config.manifest_bytes}};
  for (const auto& text : options.wanted) {
    TRY_ASSIGN(auto one, moving::Wanted::parse(text));
    wanted.wanted.push_back(std::move(one));
  }
  TRY_ASSIGN(const auto store, StorePlace::open(config, clock, StoreUse::beside));
  TRY_ASSIGN(const auto held, store->hold_removals());
  TRY_ASSIGN(const auto catalog, CatalogPlace::open(config, clock, CatalogUse::beside));
  TRY(expect_not_moved(*catalog.catalog));
  TRY(expect_pair(*catalog.catalog, *store));
  TRY(moving::expect_wanted(*catalog.catalog, wanted.wanted));
  TRY_ASSIGN(const auto layout, moving::OciLayout::open(options.directory));
  Progress progress("copying", 0);
  return moving::export_repositories(*catalog.catalog, store->store(), *layout, wanted, findings.listener(progress));
}

Json json_of(const moving::ExportReport& report, const ExportOptions& options, const Findings& findings) {
  return {{"directory", options.directory},
          {"tags", report.tags},
          {"manifests", report.manifests},
          {"referrers", report.referrers},
          {"copied_blobs", report.copied_blobs},
          {"copied_bytes", report.copied_bytes},
          {"kept_blobs", report.kept_blobs},
          {"problem_count", report.problems},
          {"problems", findings.problems},
          {"note_count", report.notes},
          {"notes", findings.notes}};
}

void tell(const moving::ExportReport& report, const ExportOptions& options) {
  fmt::print("{} has {} tags, {} manifests ({} referrers): {} blobs ({}) copied, {} there before\n", options.directory,
             report.tags, report.manifests, report.referrers, report.copied_blobs, human_size(report.copied_bytes),
             report.kept_blobs);
  if (report.problems > 0)
    fmt::print(stderr, "slipway: {} things could not be exported; they are named above\n", report.problems);
}

}  // namespace

int run_export(const Common& common, const ExportOptions& options) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
  Findings findings;
  const auto exported = export_to(*config, options, findings);
  if (!exported) return report(exported.error());
  if (common.json)
    fmt::print("{}\n", json_of(*exported, options, findings).dump(2, ' ', false, Json::error_handler_t::replace));
  else
    tell(*exported, options);
  return exported->problems == 0 ? exit_done : exit_failed;
}

}  // namespace slipway::cli
