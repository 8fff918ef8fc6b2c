#pragma once
// The command line: which command, with which options. The only file that includes CLI11 is parse.cpp.

namespace slipway::cli {

/// Parses, runs the command, returns the exit code.
int run(int argc, char** argv);

}  // namespace slipway::cli
