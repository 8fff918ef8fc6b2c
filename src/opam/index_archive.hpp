#pragma once
// The archive that opam's clients fetch, index.tar.gz, made of pieces that are compressed once: a change of one package
// costs its piece, and putting the pieces together. Every reader of opam's takes it: plain ustar entries (POSIX.1-1988,
// pax(1) "ustar Interchange Format") of regular files, in one gzip member (RFC 1952), since opam 2.6 reads no more than
// that. The same files are the same bytes, whenever and wherever they are put together.

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <functional>
#include <memory>

namespace slipway::opam {

/// Of every file: 1980, which no tool warns of. What clients compare is the content.
inline constexpr std::int64_t entry_time = 315'532'800;

/// Failure::invalid for a path that a ustar header has no room for: 100 bytes, or up to 155 more before a slash.
Result<> check_entry_path(std::string_view path);
/// Appends a file to an archive without its end. Fails as check_entry_path().
Result<> append_entry(std::string& archive, std::string_view path, std::string_view content);

/// As `opam admin index` has it; what else a tree has is for browsers.
inline bool is_in_index(std::string_view path) {
  return path == "repo" || path == "version" || path.starts_with("packages/");
}

/// A part of an archive, compressed so that others can follow.
struct ArchivePiece {
  std::string deflated;    ///< raw deflate (RFC 1951), ends at a byte and names nothing before itself
  std::uint32_t crc = 0;   ///< of what it unpacks to
  std::uint64_t size = 0;  ///< likewise
};
ArchivePiece compress_piece(std::string_view archive);

/// The bytes of the whole archive, its end included, in order. The views are valid as long as the pieces; what `put`
/// fails with ends it.
Result<> write_archive(std::span<const std::shared_ptr<const ArchivePiece>> pieces,
                       const std::function<Result<>(ByteView)>& put);

/// The same without gzip: `put` gets what the pieces unpack to.
Result<> write_plain_archive(std::span<const std::shared_ptr<const ArchivePiece>> pieces,
                             const std::function<Result<>(ByteView)>& put);

}  // namespace slipway::opam
