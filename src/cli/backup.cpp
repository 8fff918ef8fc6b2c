#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/commands.hpp"
#include "cli/copy.hpp"
#include "cli/store_place.hpp"

#include <fmt/core.h>

namespace slipway::cli {
namespace {

int tell(const Common& common, const BackupReport& outcome, const std::string& to) {
  const auto& report = outcome.blobs;
  if (common.json)
    fmt::print("{}\n", Json{{"directory", to},
                            {"blobs", report.blobs},
                            {"blob_bytes", report.blob_bytes},
                            {"copied_files", report.copied_objects},
                            {"copied_bytes", report.copied_bytes},
                            {"removed_files", outcome.removed_files},
                            {"damaged_blobs", report.damaged_blobs},
                            {"damaged", report.damaged}}
                           .dump(2));
  else
    fmt::print("{} holds {} blobs, {}: {} files ({}) copied, {} removed\n", to, report.blobs,
               human_size(report.blob_bytes), report.copied_objects, human_size(report.copied_bytes),
               outcome.removed_files);
  if (report.damaged_blobs == 0) return exit_done;
  for (const auto& digest : report.damaged) fmt::print(stderr, "lost or damaged: {}\n", digest);
  fmt::print(stderr, "slipway: {} blobs are lost or damaged; pushing them again after a restore heals them\n",
             report.damaged_blobs);
  return exit_failed;
}

}  // namespace

int run_backup(const Common& common, const std::filesystem::path& to) {
  const auto config = load_config(common);
  if (!config) return cli::report(config.error());
  const auto copied = back_up(*config, to, SystemClock());
  return copied ? tell(common, *copied, to.string()) : cli::report(copied.error());
}

int run_restore(const Common& common, const std::filesystem::path& from) {
  const auto config = load_config(common);
  if (!config) return cli::report(config.error());
  const auto copied = restore(from, *config, SystemClock());
  if (!copied) return cli::report(copied.error());
  const int code = tell(common, *copied, config->store.empty() ? config->data.string() : "the bucket");
  if (!common.json) fmt::print("Next: {}\n", serve_command(*config));
  return code;
}

}  // namespace slipway::cli
