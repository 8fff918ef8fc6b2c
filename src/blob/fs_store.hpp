#pragma once
// A BlobStore in a directory. docs/on-disk-format.md describes the files.
//
//   store.id                     identity: 32 hex digits and a newline
//   raw/<id >> 12>/<id>          finished bytes; both in hexadecimal, 16 digits the id
//   uploads/<id>                 bytes of a resumable upload
//
// Single-request uploads are unnamed files (O_TMPFILE) that get their name when they are durable, so that a crash
// leaves nothing; on a file system without O_TMPFILE they are named like resumable ones.

#include "blob/store.hpp"

#include <filesystem>
#include <mutex>
#include <unordered_set>

namespace slipway::blob {

class FsStore final : public BlobStore {
public:
  /// Opens a store, making it if the directory is empty or missing. Failure::invalid for a directory with other
  /// content.
  static Result<std::unique_ptr<FsStore>> open(const std::filesystem::path& directory);
  /// For a store that must not be changed: nothing is made.
  static Result<std::unique_ptr<FsStore>> open_existing(const std::filesystem::path& directory);

  Result<FileSlice> open(const Location& location, ByteRange range) override;
  Result<std::unique_ptr<Upload>> begin(LocationId id, bool resumable) override;
  Result<std::unique_ptr<Upload>> resume(LocationId id, const ResumeToken& token) override;
  Result<> remove(const Location& location) override;
  Result<std::string> identity() override;
  Result<Space> space() override;
  Result<> list(const std::function<void(LocationId, std::uint64_t)>& each) override;
  /// The highest id of a location or upload that has a file, 0 where there is none. Looks into few folders.
  Result<LocationId> highest();

private:
  friend class FsUpload;

  explicit FsStore(std::filesystem::path directory) : m_directory(std::move(directory)) {}
  std::filesystem::path path_of(std::string_view key) const { return m_directory / key; }
  std::filesystem::path upload_path(LocationId id) const;
  /// Makes an upload again of a finished file that no row has; not_found where there is none.
  Result<> take_back(LocationId id);
  /// Makes the folder of finished bytes exist, durably, once.
  Result<> ensure_folder(const std::filesystem::path& folder);

  const std::filesystem::path m_directory;
  std::mutex m_mutex;  // guards the set
  std::unordered_set<std::string> m_folders;
};

}  // namespace slipway::blob
