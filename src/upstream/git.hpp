#pragma once
// A branch of a git repository, watched by way of the git command line: a bare clone that has the newest commit,
// without its history, and what earlier ones had that it still needs to tell what changed.

#include "base/subprocess.hpp"

namespace slipway::upstream {

struct GitSource {
  std::string url;     ///< https, http, ssh, git, file, or a folder's path
  std::string branch;  ///< empty: the one that HEAD names there
};

/// Failure::invalid where git must not be asked for it: a helper (ext::…), or what git would take for an option.
Result<> check_git_source(const GitSource& source);

/// For those who only read: without what may be a password.
std::string without_password(const std::string& url);

/// An entry of a commit that is a regular file; anything else has no object, but says what it is.
struct GitFile {
  std::string path;    ///< any bytes but NUL
  std::string object;  ///< its blob
  std::string what;    ///< "a symbolic link", "a submodule"; empty for a file
};

/// One path that is not the same in two commits. Without object and `what`: it is gone.
struct GitChange : GitFile {
  bool is_new = false;  ///< the earlier one has nothing there
};

/// Not safe for concurrent use. Errors: unavailable where the other side, or git, does not answer in time or is told to
/// stop; io, with git's own words.
class GitClone {
public:
  /// `directory` is made if it is new, and belongs to the clone. Once `stop_fd` can be read, all ends.
  static Result<GitClone> open(const std::string& directory, GitSource source, int stop_fd = -1);

  /// The commit that the branch is at over there. not_found where there is no such branch.
  Result<std::string> remote_head();
  /// The same, with what it needs, to here.
  Result<std::string> fetch();
  /// It is here, whole.
  bool has(const std::string& commit);
  /// It stays here, for changes() from it; the one that was to stay before need not.
  Result<> keep(const std::string& commit);
  /// Seconds since 1970: when it was committed.
  Result<std::int64_t> time_of(const std::string& commit);
  /// Those below `paths`, in byte order. too_large past some 500,000.
  Result<std::vector<GitFile>> files(const std::string& commit, const std::vector<std::string>& paths);
  /// The same of two commits that are both here, as far as they differ.
  Result<std::vector<GitChange>> changes(const std::string& from, const std::string& to,
                                         const std::vector<std::string>& paths);

  /// Reads blobs, one after the other. The clone outlives it.
  class Blobs {
  public:
    /// too_large past `size_max`: the next one can be read nevertheless.
    Result<std::string> read(const std::string& object, std::size_t size_max);

  private:
    friend class GitClone;
    explicit Blobs(Subprocess git) : m_git(std::move(git)) {}
    Subprocess m_git;
  };
  Result<Blobs> blobs();

private:
  GitClone(std::string directory, GitSource source, int stop_fd)
      : m_directory(std::move(directory)), m_source(std::move(source)), m_stop_fd(stop_fd) {}
  Command git(std::vector<std::string> arguments) const;
  Result<std::string> commit_of(const std::string& name);

  std::string m_directory;
  GitSource m_source;
  int m_stop_fd;
};

}  // namespace slipway::upstream
