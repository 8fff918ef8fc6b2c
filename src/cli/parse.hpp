#pragma once
// The command line: which command, with which options.

namespace slipway::cli {

/// Parses, runs the command, returns the exit code.
int run(int argc, char** argv);

}  // namespace slipway::cli
