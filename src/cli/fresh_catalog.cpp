#include "cli/fresh_catalog.hpp"

#include "base/fd.hpp"
#include "sql/sqlite.hpp"

#include <unistd.h>

namespace slipway::cli {
namespace fs = std::filesystem;

/// With the files that SQLite may have for it.
static Result<> remove_database(const fs::path& file) {
  for (const auto* suffix : {"", "-wal", "-shm", "-journal"})
    if (::unlink((file.string() + suffix).c_str()) < 0 && errno != ENOENT)
      return fail_errno(errno, "removing " + file.string() + suffix);
  return {};
}

Result<FreshCatalog> FreshCatalog::begin(const fs::path& directory) {
  FreshCatalog out(directory);
  TRY(remove_database(out.m_file));
  return out;
}

FreshCatalog::~FreshCatalog() {
  if (!m_file.empty()) (void)remove_database(m_file);  // else the next one does
}

Result<> FreshCatalog::settle() {
  const auto directory = m_file.parent_path();
  TRY(sql::settle_sqlite(m_file));
  if (::rename(m_file.c_str(), (directory / "catalog.sqlite").c_str()) < 0)
    return fail_errno(errno, "naming " + m_file.string());
  m_file.clear();
  return sync_directory(directory);
}

}  // namespace slipway::cli
