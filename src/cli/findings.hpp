#pragma once
// What an import or export tells on its way: on standard error as it comes, and again in the answer at its end.

#include "cli/progress.hpp"
#include "moving/listener.hpp"

#include <string>
#include <vector>

namespace slipway::cli {

struct Findings {
  static constexpr std::size_t told_max = 1000;  // of each, in the answer; standard error has them all
  std::vector<std::string> problems, notes;

  /// Both outlive the listener.
  moving::Listener listener(Progress& progress) {
    const auto tell_to = [&progress](std::vector<std::string>& list, const char* word) {
      return [&list, &progress, word](const std::string& text) {
        progress.say(word + text);
        if (list.size() < told_max) list.push_back(text);
      };
    };
    return {.copied = [&progress](std::uint64_t bytes) { progress.add(bytes); },
            .problem = tell_to(problems, ""),
            .note = tell_to(notes, "note: ")};
  }
};

}  // namespace slipway::cli
