#pragma once
// A copy of a registry as it was at one moment, wherever its bytes and its catalog are, while servers may go on serving
// from it. The copy grows by what is new: a location's bytes never change, so what is there already is not copied
// again.
//
//   COPY/catalog.sqlite    one state of the catalog, without open sessions; needs no file beside it
//   COPY/store/            exactly the bytes it speaks of
//   COPY/backup.json       {"store": …, "at": …, "damaged_packs": […]}: the mark of a backup, from which nothing is
//                          served
//
// At each moment of a copy, also a killed one, COPY holds a whole state: the one before until the very last rename.

#include "base/clock.hpp"
#include "base/result.hpp"
#include "cli/config.hpp"
#include "moving/store_copy.hpp"

#include <cstdint>
#include <filesystem>

namespace slipway::cli {

struct BackupReport {
  moving::CopyReport blobs;
  std::uint64_t removed_files = 0;  ///< that the state before had, and this one has not
};

/// True where `path` is a backup.
bool is_backup(const std::filesystem::path& path);

/// Brings the backup in `to` up to date with a registry; makes it where `to` is empty or missing. Failure::conflict
/// where `to` is something else, busy where another process writes to it.
Result<BackupReport> back_up(const Config& from, const std::filesystem::path& to, const Clock& clock);

/// Makes a registry of a backup, where nothing is: a data directory that is empty or missing, a prefix of a bucket, a
/// database. Goes on with one that was cut short. not_found where `from` is none, conflict where there is something.
Result<BackupReport> restore(const std::filesystem::path& from, const Config& to, const Clock& clock);

}  // namespace slipway::cli
