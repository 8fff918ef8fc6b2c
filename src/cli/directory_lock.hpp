#pragma once

#include "base/fd.hpp"

namespace slipway::cli {

/// One process's hold on a directory, for as long as it lives.
class DirectoryLock {
public:
  /// Makes the directory if it is missing. Failure::busy, naming the process, while another has it.
  static Result<DirectoryLock> take(const std::filesystem::path& directory);

private:
  explicit DirectoryLock(Fd file) : m_file(std::move(file)) {}
  Fd m_file;
};

}  // namespace slipway::cli
