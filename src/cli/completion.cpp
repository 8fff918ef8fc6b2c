#include "cli/completion.hpp"

#include <fmt/core.h>

namespace slipway::cli {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

std::string bash_script(const CommandWords& words) {
  std::string cases;
  for (const auto& [command, choices] : words)
    cases += fmt::format("    \"{}\") words=\"{}\" ;;\n", command, joined(choices));
  return "_slipway() {\n"
         "  local path=\"\" word words=\"\" i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    word=\"${COMP_WORDS[i]}\"\n"
         "    [[ $word == -* ]] && continue\n"
         "    case \" $(_slipway_words \"$path\") \" in *\" $word \"*) path=\"${path:+$path }$word\" ;; esac\n"
         "  done\n"
         "  words=\"$(_slipway_words \"$path\")\"\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
         "}\n"
         "_slipway_words() {\n  local words=\"\"\n  case \"$1\" in\n" +
         cases +
         "  esac\n  echo \"$words\"\n}\n"
         "complete -o default -F _slipway slipway\n";
}

std::string fish_script(const CommandWords& words) {
  std::string out = "complete -c slipway -f\n";
  for (const auto& [command, choices] : words) {
    const auto condition = command.empty() ? std::string("__fish_use_subcommand")
                                           : fmt::format("string match -q -- '*{}*' (commandline -p)", command);
    out += fmt::format("complete -c slipway -n \"{}\" -a '{}'\n", condition, joined(choices));
  }
  return out;
}

}  // namespace

std::string completion_script(const std::string& shell, const CommandWords& words) {
  if (shell == "bash") return bash_script(words);
  if (shell == "zsh") return "#compdef slipway\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(words);
  if (shell == "fish") return fish_script(words);
  return {};
}

}  // namespace slipway::cli
