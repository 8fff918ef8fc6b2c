#pragma once
// When the files of a git repository came: its history, without what the files have in them.

#include "upstream/git.hpp"

namespace slipway::upstream {

/// A bare clone of its own, of commits and trees alone where the other side can leave out the rest. Not safe for
/// concurrent use. Errors as GitClone's.
class GitHistory {
public:
  GitHistory(std::string directory, GitSource source, int stop_fd = -1)
      : m_directory(std::move(directory)), m_source(std::move(source)), m_stop_fd(stop_fd) {}

  /// Brings it up to date; the newest commit.
  Result<std::string> fetch();
  /// Calls `each` for the files below `folder` that came with a merge of the branch after `since` (empty: with any),
  /// with the merge's time; the newest first.
  Result<> for_each_added(const std::string& since, const std::string& folder,
                          const std::function<void(std::string_view path, std::int64_t seconds)>& each);

private:
  Command git(std::vector<std::string> arguments) const;

  const std::string m_directory;
  const GitSource m_source;
  const int m_stop_fd;
};

}  // namespace slipway::upstream
