#pragma once
// Which git repository becomes which opam repository, by configuration.

#include "upstream/git.hpp"

namespace slipway::opam {

struct SourcePlace {
  std::string repository;
  std::string channel;
  upstream::GitSource source;

  /// "REPOSITORY@CHANNEL"
  std::string text() const { return repository + "@" + channel; }
};

/// Failure::invalid, saying which of it is no name, or no git repository.
Result<> check_source_place(const SourcePlace& place);

/// "REPOSITORY@CHANNEL URL#BRANCH", of which the channel (`live`) and the branch (HEAD's) may be left out.
/// Failure::invalid, saying what is wrong.
Result<SourcePlace> parse_source_place(std::string_view text);

}  // namespace slipway::opam
