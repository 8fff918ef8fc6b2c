#pragma once

#include "base/result.hpp"

#include <filesystem>

namespace slipway::cli {

/// A catalog in a file that is being made. It gets its name, DIR/catalog.sqlite, once it is whole; otherwise it is gone
/// with this.
class FreshCatalog {
public:
  /// Removes what one that was killed has left. The directory is the caller's alone.
  static Result<FreshCatalog> begin(const std::filesystem::path& directory);
  ~FreshCatalog();
  FreshCatalog(FreshCatalog&&) = default;
  FreshCatalog& operator=(FreshCatalog&&) = default;

  /// Nothing is there yet.
  const std::filesystem::path& file() const { return m_file; }
  /// Takes the place of the one that is there. Nobody has the file open.
  Result<> settle();

private:
  explicit FreshCatalog(const std::filesystem::path& directory) : m_file(directory / "catalog.sqlite.new") {}
  std::filesystem::path m_file;  ///< empty once it is settled
};

}  // namespace slipway::cli
