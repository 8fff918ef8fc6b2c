#pragma once

#include "base/subprocess.hpp"

namespace slipway::upstream {

/// git, told to work on a bare repository.
Command git_command(const std::string& directory, std::vector<std::string> arguments, int stop_fd);

}  // namespace slipway::upstream
