#pragma once
// Files of a folder as they go into a tree: with their digests, and with what is compressed of them.

#include "publish/source_folder.hpp"

#include <mutex>
#include <unordered_map>

namespace slipway::publish {

/// What files were when they were hashed last, for those who publish a folder again and again. Safe to call from any
/// thread.
class FileCache {
public:
  /// That file with its digests, if nothing was written to it since, nor to its variants.
  std::optional<File> find(const FolderFile& file);
  void put(const FolderFile& file, const File& hashed);

private:
  std::mutex m_mutex;  // guards what follows
  std::unordered_map<std::string, std::pair<FolderFile, File>> m_files;
};

/// Failure::conflict where it is not what the walk saw any more, or is written to meanwhile. A variant that is
/// something else is left out, which `on_warning` is told. `cache` may be null.
Result<File> hash_file(const SourceFolder& folder, const FolderFile& file, FileCache* cache,
                       const std::function<void(const std::string& sentence)>& on_warning);

/// "'a' changed while it was published: …"
Error changed_meanwhile(const std::string& path);

}  // namespace slipway::publish
