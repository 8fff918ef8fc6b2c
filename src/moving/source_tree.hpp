#pragma once
// A tree of files that somebody else has laid out, in a directory or in a bucket, to be read from. What it says is
// foreign input: every name in it is checked by whoever asks for it.

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "s3/bucket.hpp"
#include "s3/bucket_url.hpp"

#include <functional>
#include <memory>
#include <string>

namespace slipway::moving {

/// Paths go from the tree's root, "a/b/c"; "" is the root. Failures: not_found where there is no such file, unavailable
/// where a bucket does not answer, io where the file cannot be read. Safe to call from any thread.
class SourceTree {
public:
  /// The tree below a directory; not_found where there is none.
  static Result<std::unique_ptr<SourceTree>> open_directory(const std::string& path);
  /// The tree below the prefix of a bucket, by s3/bucket_url.hpp.
  static Result<std::unique_ptr<SourceTree>> open_bucket(const std::string& url, const Clock& clock);
  virtual ~SourceTree() = default;

  struct Folder {
    std::string name;
    bool is_link = false;  ///< a symbolic link to one: who walks the tree had better not follow it
  };
  /// The folders in a folder, as they are found, in no order; none where there is no such folder. An error of `each`
  /// ends it.
  virtual Result<> folders(const std::string& folder, const std::function<Result<>(const Folder&)>& each) = 0;
  /// All of a file that is to be believed: one that a symbolic link leads out of the tree for is not read
  /// (Failure::denied). too_large past `size_max`.
  virtual Result<std::string> read(const std::string& file, std::size_t size_max) = 0;
  virtual Result<std::uint64_t> size(const std::string& file) = 0;
  /// The first `size` bytes of a file that the caller checks against a digest, wherever it lies, in pieces. corrupt
  /// where it is shorter. An error of the sink ends it, and is returned.
  virtual Result<> copy(const std::string& file, std::uint64_t size, const std::function<Result<>(ByteView)>& sink) = 0;
};

}  // namespace slipway::moving
