#pragma once
// What is known of an opam repository's way from git, kept in the catalog by whichever server goes it, for all to show.

#include "base/clock.hpp"
#include "base/json.hpp"
#include "opam/sources.hpp"
#include "opam/watcher.hpp"

namespace slipway::opam {

struct RepositoryState {
  // of the git repository
  std::string head;        ///< the commit that the branch was at when it was looked at last; empty: never was
  Timestamp head_since{};  ///< since when, as far as it was looked at
  Timestamp looked_at{};
  bool is_withdrawn = false;  ///< as Look has it
  std::string problem;        ///< likewise; empty: none
  Timestamp problem_since{};

  // of the last pass that moved the channel
  std::string commit;
  std::string snapshot;
  Timestamp published_at{};
  std::size_t changes = 0;
  std::chrono::milliseconds fetching{}, reading{}, publishing{};

  std::map<std::string, std::string> findings;  ///< what is not published as it is: by path
  SourcesStatus sources;
  Timestamp sources_at{};  ///< when that was so

  /// Takes in what a look came to. True where somebody would see another state now; else only looked_at is.
  bool take(const Look& look, Timestamp now);
  /// How long the channel has not been as the branch is; zero where it is, or is not to be.
  std::chrono::microseconds behind(Timestamp now) const;

  std::string text() const;
  /// What text() wrote. invalid for anything else.
  static Result<RepositoryState> parse(std::string_view text);
};

/// For people and scripts: what a state says, without the lists.
Json summary_of(const RepositoryState& state, Timestamp now);
Json json_of(const SourceState& failing);

}  // namespace slipway::opam
