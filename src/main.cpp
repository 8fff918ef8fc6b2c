// Slipway, server and command line in one. `cli/parse.cpp` knows the commands; `cli/serve.cpp` reads as a table of
// contents of the server: configuration → stores → access → registry → routes → threads → signals.

#include "cli/parse.hpp"

int main(int argc, char** argv) { return slipway::cli::run(argc, argv); }
