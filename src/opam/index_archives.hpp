#pragma once
// The archives that clients fetch, /index.tar.gz, and the same without gzip, /index.tar.

#include "opam/index_archive.hpp"
#include "publish/view.hpp"

#include <list>
#include <mutex>
#include <unordered_map>

namespace slipway::opam {

/// Made of a snapshot when they are asked for, and kept for some time: an archive is as little a blob of the store as
/// the page that shows a folder. What of it is not different from another snapshot's is compressed already. Safe to
/// call from any thread.
class IndexArchives {
public:
  /// Archives lie, without a name, in `directory`, which is made if it is new.
  explicit IndexArchives(std::filesystem::path directory) : m_directory(std::move(directory)) {}

  /// Of a snapshot; `is_plain`: without gzip.
  Result<publish::Representation> find(publish::Trees& trees, const publish::OpenTree& tree, bool is_plain);

  /// The plain one as dcz (RFC 9842), for a client that has the one of `old`, which is `dictionary`. conflict where it
  /// is not; too_large where that is not worth it.
  Result<publish::Representation> find_delta(publish::Trees& trees, const publish::OpenTree& tree,
                                             const publish::OpenTree& old, const Digest& dictionary);

private:
  using Piece = std::shared_ptr<const ArchivePiece>;
  using Clock = std::chrono::steady_clock;
  /// A file that somebody asked for.
  struct Archive {
    Digest snapshot;
    bool is_plain = false;
    std::shared_ptr<const Fd> file;
    std::uint64_t size = 0;
    Digest digest;
    Clock::time_point used_at;
    std::vector<Piece> pieces;  // for the next snapshot, which has most of them too
  };

  Result<Archive> archive(publish::Trees& trees, const publish::OpenTree& tree, bool is_plain);
  Result<Archive> make(publish::Trees& trees, const publish::OpenTree& tree, bool is_plain);
  Result<std::vector<Piece>> pieces_of(publish::Trees& trees, const publish::OpenTree& tree);
  std::optional<Archive> find_made(const Digest& snapshot, bool is_plain);
  void keep(const Archive& archive);

  const std::filesystem::path m_directory;
  std::mutex m_making;  // one at a time: the next one finds what it needs
  std::mutex m_mutex;   // guards what follows
  std::list<Archive> m_made;
  struct Delta {
    Digest from, to;  // snapshots
    std::shared_ptr<const std::string> bytes;
  };
  std::list<Delta> m_deltas;                                               // the newest first
  std::unordered_map<Digest, std::weak_ptr<const ArchivePiece>> m_pieces;  // by shard
};

}  // namespace slipway::opam
