#pragma once
// Copies, on a local disk, of objects that lie on other machines: made while somebody reads them, kept for who comes
// next, the least recently used given up for others. Answers are sent from these files, so that hot bytes leave like
// those of a local store.
//
//   <directory>/<first 2 letters>/<name>                 a whole copy
//   <directory>/<first 2 letters>/<name>.<random>.part   one under way; what a crash leaves is removed at the next
//   start
//
// A copy gets its bytes in the order in which they are asked for, each of them once, however many ask. What is too
// large to be worth keeping goes by way of a file without a name, of which only a stretch takes room at a time.

#include "base/fd.hpp"

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace slipway::blob {

/// Brings a part of an object, in pieces, in order.
using Fetch = std::function<Result<>(ByteRange range, const std::function<Result<>(ByteView)>& sink)>;

struct CacheUsage {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Safe to call from any thread. Outlives all that it opened.
class ReadCache {
public:
  /// Keeps up to `bytes_max`, in at most 100,000 files; nothing where that is 0. The directory is made where it is
  /// missing, and nobody else's.
  static Result<std::unique_ptr<ReadCache>> open(std::filesystem::path directory, std::uint64_t bytes_max);

  /// A part of an object of `size` bytes, for ever known by `name` (lower-case letters, digits, dots). Nothing is
  /// fetched before the slice is filled.
  Result<FileSlice> open(const std::string& name, std::uint64_t size, ByteRange range, Fetch fetch);
  CacheUsage usage();

private:
  friend class CachedCopy;
  struct Entry {
    std::string name;
    std::uint64_t room = 0;  // what it is counted with, from its beginning
    std::string part;        // the file's name while it is not whole
    std::weak_ptr<Filling> copy;
  };
  using Entries = std::list<Entry>;

  ReadCache(std::filesystem::path directory, std::uint64_t bytes_max)
      : m_directory(std::move(directory)), m_bytes_max(bytes_max) {}
  Result<> find_copies();
  std::filesystem::path path_of(const std::string& file) const { return m_directory / file.substr(0, 2) / file; }
  std::optional<FileSlice> find(const std::string& name, std::uint64_t size, ByteRange range);
  void enter(Entry entry);
  void drop(Entries::iterator entry, std::vector<std::string>& files);
  void make_room();
  void remove_files(const std::vector<std::string>& files);
  /// A copy is whole, and has a name of its own; or it will never be.
  void settle(const std::string& name, const std::string& part, bool is_whole);

  const std::filesystem::path m_directory;
  const std::uint64_t m_bytes_max;
  std::mutex m_mutex;  // guards what follows
  Entries m_entries;   // the least recently used first
  std::unordered_map<std::string, Entries::iterator> m_by_name;
  std::uint64_t m_room_taken = 0;
};

}  // namespace slipway::blob
