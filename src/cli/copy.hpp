#pragma once
// A copy of an embedded data directory as it was at one moment, while a server may go on serving from it. The copy
// grows by what is new: a location's bytes never change, so what is there already is not copied again.
//
//   COPY/catalog.sqlite    one state of the catalog, without open sessions; needs no file beside it
//   COPY/store/            exactly the bytes it speaks of
//   COPY/backup.json       {"store": …, "at": …, "damaged_packs": […]}: the mark of a backup, from which nothing is
//                          served
//
// At each moment of a copy, also a killed one, COPY holds a whole state: the one before until the very last rename.

#include "base/clock.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace slipway::cli {

struct CopyReport {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t copied_files = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t removed_files = 0;      ///< that the state before had, and this one has not
  std::vector<std::string> damaged;     ///< digests whose bytes are lost or wrong; at most 100 are named
  std::uint64_t damaged_blobs = 0;      ///< all of them
  std::set<std::string> damaged_packs;  ///< those with some of them: the next copy looks at these again
};

/// True where `path` is a backup.
bool is_backup(const std::filesystem::path& path);

/// Brings the backup in `to` up to date with the data directory `from`; makes it where `to` is empty or missing.
/// Failure::conflict where `to` is something else, busy where another process writes to it.
Result<CopyReport> back_up(const std::filesystem::path& from, const std::filesystem::path& to, const Clock& clock);

/// Makes a data directory in `to`, which is empty or missing, of a backup. not_found where `from` is none, conflict
/// where `to` holds something.
Result<CopyReport> restore(const std::filesystem::path& from, const std::filesystem::path& to, const Clock& clock);

}  // namespace slipway::cli
