#pragma once
// Shell completions, made from the commands themselves.

#include <map>
#include <string>
#include <vector>

namespace slipway::cli {

/// "repo ls" → its options and sub-commands; "" is the program itself.
using CommandWords = std::map<std::string, std::vector<std::string>>;

/// A script for "bash", "zsh" or "fish"; empty for another shell.
std::string completion_script(const std::string& shell, const CommandWords& words);

}  // namespace slipway::cli
