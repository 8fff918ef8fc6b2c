#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/commands.hpp"
#include "cli/copy.hpp"
#include "cli/store_place.hpp"

#include <fmt/core.h>

namespace slipway::cli {
namespace {

int tell(const Common& common, const CopyReport& report, const std::filesystem::path& to) {
  if (common.json)
    fmt::print("{}\n", Json{{"directory", to.string()},
                            {"blobs", report.blobs},
                            {"blob_bytes", report.blob_bytes},
                            {"copied_files", report.copied_files},
                            {"copied_bytes", report.copied_bytes},
                            {"removed_files", report.removed_files},
                            {"damaged_blobs", report.damaged_blobs},
                            {"damaged", report.damaged}}
                           .dump(2));
  else
    fmt::print("{} holds {} blobs, {}: {} files ({}) copied, {} removed\n", to.string(), report.blobs,
               human_size(report.blob_bytes), report.copied_files, human_size(report.copied_bytes),
               report.removed_files);
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
  if (const auto files = expect_files(*config, "backup"); !files) return cli::report(files.error());
  const auto copied = back_up(config->data, to, SystemClock());
  return copied ? tell(common, *copied, to) : cli::report(copied.error());
}

int run_restore(const Common& common, const std::filesystem::path& from) {
  const auto config = load_config(common);
  if (!config) return cli::report(config.error());
  if (const auto files = expect_files(*config, "restore"); !files) return cli::report(files.error());
  const auto copied = restore(from, config->data, SystemClock());
  if (!copied) return cli::report(copied.error());
  const int code = tell(common, *copied, config->data);
  if (!common.json) fmt::print("Next: slipway serve --data {}\n", config->data.string());
  return code;
}

}  // namespace slipway::cli
