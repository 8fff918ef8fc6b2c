#pragma once
// The files of a folder that is to be published, in the order of a tree, whatever becomes of the folder meanwhile.

#include "base/fd.hpp"
#include "publish/tree.hpp"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace slipway::publish {

/// Tells a file from what it was before: any write changes it.
struct FileStamp {
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  std::int64_t modified = 0;  ///< nanoseconds since 1970, like the next
  std::int64_t changed = 0;
  bool operator==(const FileStamp&) const = default;
};

struct FolderFile {
  std::string path;  ///< as check_path() wants it
  FileStamp stamp;
  /// Files path.br, .zst and .gz that the folder has beside it, in this order.
  std::vector<std::pair<Coding, FileStamp>> variants;
  bool operator==(const FolderFile&) const = default;
};

/// The name that a variant of `path` goes by: "a.js.gz".
std::string variant_path(const std::string& path, Coding coding);

/// Walks a folder once. Files come in byte order of their paths, a folder's entries being held at a time. Symbolic
/// links are followed within the folder; where they lead out of it, round in a circle, or to nothing, they are refused,
/// as are names that check_path() refuses and what is neither file nor folder. Not safe for concurrent use.
class SourceFolder {
public:
  struct Options {
    std::vector<std::string> exclude;  ///< patterns of fnmatch(3), of paths or of names
    std::function<void(const std::string& sentence)> on_warning = [](const std::string&) {};
  };

  /// Failure::not_found where there is no folder of that name.
  static Result<SourceFolder> open(const std::filesystem::path& path, Options options);

  /// The next file, or none. Failure::invalid, naming the path, for what cannot be published.
  Result<std::optional<FolderFile>> next();

  /// A file of it, wherever links lead within it. Safe to call from any thread, also while it is walked.
  Result<Fd> open_file(const std::string& path) const;
  /// Of an open file.
  static Result<FileStamp> stamp_of(const Fd& file);

private:
  struct Entry {
    std::string name;  // a folder's ends in '/': so they are in the order of the paths below
    FileStamp stamp;
    std::uint64_t device = 0;
  };
  /// A folder that is being walked.
  struct Level {
    std::string path;                                  // "" or ends in '/'
    std::pair<std::uint64_t, std::uint64_t> identity;  // device and inode
    std::vector<Entry> entries;
    std::size_t next = 0;
  };

  SourceFolder(Fd root, Options options) : m_root(std::move(root)), m_options(std::move(options)) {}
  Result<> enter(const std::string& path, std::pair<std::uint64_t, std::uint64_t> identity);
  Result<std::optional<Entry>> look_at(const Fd& folder, const std::string& path, const std::string& name) const;
  bool is_excluded(const std::string& path, const std::string& name) const;
  void warn_of_collisions(const Level& level) const;
  static std::vector<std::pair<Coding, FileStamp>> variants_of(const Level& level, const std::string& name);

  Fd m_root;
  Options m_options;
  std::vector<Level> m_levels;
};

}  // namespace slipway::publish
