#pragma once
// A BlobStore in a directory. docs/on-disk-format.md describes the files.
//
//   store.id                     identity: 32 hex digits and a newline
//   raw/<id >> 12>/<id>          finished bytes; both in hexadecimal, 16 digits the id
//   packs/<name>                 small blobs together; packs.hpp
//   uploads/<id>                 bytes of a resumable upload
//   removals.lock                locked, shared, by whoever removes finished bytes; alone, by whoever copies the store
//   copy.id                      in the place of store.id: a copy that is not finished; copy_mark.hpp
//
// Single-request uploads are unnamed files (O_TMPFILE) that get their name when they are durable, so that a crash
// leaves nothing; on a file system without O_TMPFILE they are named like resumable ones.

#include "blob/packs.hpp"

#include <filesystem>
#include <mutex>
#include <unordered_set>

namespace slipway::blob {

class FsStore final : public BlobStore {
public:
  /// Opens a store, making it if the directory is empty or missing. Failure::invalid for a directory with other
  /// content. expect_room() fails while less than `keep_free` bytes of its file system are free.
  static Result<std::unique_ptr<FsStore>> open(const std::filesystem::path& directory, std::uint64_t keep_free = 0);
  /// For a store that must not be changed: nothing is made.
  static Result<std::unique_ptr<FsStore>> open_existing(const std::filesystem::path& directory);
  /// One that is being made a copy of another, and has no identity yet.
  static Result<std::unique_ptr<FsStore>> open_copy(const std::filesystem::path& directory);
  /// Takes from such a copy what a killed one left half done.
  Result<> discard_unfinished();

  Result<FileSlice> open(const Location& location, ByteRange range) override;
  Result<std::unique_ptr<Upload>> begin(LocationId id, bool resumable) override;
  Result<std::unique_ptr<Upload>> resume(LocationId id, const ResumeToken& token, Predecessor predecessor) override;
  Result<std::unique_ptr<Upload>> begin_copy(const Location& location) override;
  Result<std::vector<Location>> put_small(std::span<const SmallBlob> blobs) override { return m_packs.put(blobs); }
  Result<std::optional<std::uint64_t>> sealed_size(const std::string& pack) override {
    return m_packs.sealed_size(pack);
  }
  Result<> remove(const Location& location) override;
  Result<std::string> identity() override;
  Result<bool> is_empty() override;
  /// Looks into few folders.
  Result<LocationId> highest(LocationId from) override;
  bool is_finished(LocationId id) override;
  Result<Space> space() override;
  Result<> expect_room() override;
  Result<> list(const std::function<void(const Location&)>& each) override;

  /// Keeps everybody, in any process, from removing finished bytes while it lives: they fail with Failure::busy. Waits
  /// for those that are at it. For a copy of what a catalog spoke of at one moment.
  Result<Fd> hold_removals();
  /// Keeps others from copying from here, or to here, while it lives; Failure::busy where somebody does. Packs grow: a
  /// copy that comes late would put an older one in a newer one's place.
  Result<Fd> hold_copying();

private:
  friend class FsUpload;

  FsStore(std::filesystem::path directory, std::uint64_t keep_free)
      : m_directory(std::move(directory)), m_keep_free(keep_free), m_packs(m_directory) {}
  static Result<> make_folders(const std::filesystem::path& directory);
  static Result<std::unique_ptr<FsStore>> open_made(const std::filesystem::path& directory, std::uint64_t keep_free);
  std::filesystem::path path_of(std::string_view key) const { return m_directory / key; }
  std::filesystem::path path_of(const Location& location) const;
  std::filesystem::path upload_path(LocationId id) const;
  /// Makes an upload again of a finished file that no row has; not_found where there is none.
  Result<> take_back(LocationId id);
  /// Makes the folder of finished bytes exist, durably, once.
  Result<> ensure_folder(const std::filesystem::path& folder);

  const std::filesystem::path m_directory;
  const std::uint64_t m_keep_free;
  Packs m_packs;
  OpenFiles m_raw;
  std::mutex m_mutex;  // guards the set
  std::unordered_set<std::string> m_folders;
};

}  // namespace slipway::blob
