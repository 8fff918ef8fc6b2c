#pragma once
// Trees as OCI artifacts, in the shape that any registry keeps and any of its clients can copy:
//
//   an index         the snapshot: its shards, each with the first path that it covers. Its digest names the snapshot.
//   image manifests  the shards, some 256 files each. Their layers are the files' blobs, each once.
//   listings         the shards' configs: path, digest, size and content type of each file
//
// Paths are in byte order, over all shards. Where one shard ends and the next begins is decided by the path alone, so
// that a change of one file is four objects: the file, its listing, its shard and the index. Nothing in it depends on
// when or where a tree was made: the same files are the same digest. docs/sites.md tells the format.

#include "base/digest.hpp"

#include <map>
#include <optional>
#include <span>
#include <vector>

namespace slipway::publish {

inline constexpr std::string_view tree_type = "application/vnd.slipway.tree.v1";
inline constexpr std::string_view shard_type = "application/vnd.slipway.tree.shard.v1";
inline constexpr std::string_view listing_type = "application/vnd.slipway.tree.listing.v1+json";

/// Limits of one shard, which no tree of ours comes near, and of the text that is a listing or an index.
inline constexpr std::size_t shard_files_max = 1024;
inline constexpr std::size_t listing_bytes_max = 1U << 20;
inline constexpr std::size_t index_bytes_max = 4U << 20;
inline constexpr std::size_t shards_max = 10'000;
inline constexpr std::size_t annotations_max = 100;

/// In the order of preference, should a client take several. The names are those of HTTP's content codings.
enum class Coding { br, zstd, gzip };
std::string_view name_of(Coding coding);

/// The same content, compressed: another file of the tree, which unpacks to this one.
struct Variant {
  Coding coding = Coding::gzip;
  Digest digest;
  std::uint64_t size = 0;
  bool operator==(const Variant&) const = default;
};

struct File {
  std::string path;  ///< as check_path() wants it
  Digest digest;
  std::uint64_t size = 0;
  std::string media_type;         ///< what Content-Type says
  std::vector<Variant> variants;  ///< in order of preference, each coding once
  bool operator==(const File&) const = default;
};

/// The files of one shard, in byte order of their paths.
struct Listing {
  std::vector<File> files;

  /// The file of that path; null if there is none. Valid as long as the listing.
  const File* find(std::string_view path) const;
};

/// What a snapshot says of a shard.
struct ShardEntry {
  Digest digest;
  std::uint64_t size = 0;  ///< of its manifest
  std::string first;       ///< path
  bool operator==(const ShardEntry&) const = default;
};

struct Snapshot {
  std::vector<ShardEntry> shards;  ///< in byte order of their first paths
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  ///< of the files together
  /// What its publisher says of it besides, as org.opencontainers.image.revision.
  std::map<std::string, std::string> annotations = {};

  /// The shard that has `path`, if any has; null where all begin after it. Valid as long as the snapshot.
  const ShardEntry* shard_of(std::string_view path) const;
};

/// A shard as it is stored: two objects.
struct Shard {
  std::string listing;
  Digest listing_digest;
  std::string manifest;
  Digest digest;
  std::string first;
};

/// A shard begins with this path, whatever else the tree has.
bool begins_shard(std::string_view path);
/// Where the files of a tree, in order, are cut into shards: there, and where one would pass its limits.
std::vector<std::span<const File>> cut(std::span<const File> files);
/// The shard of some of cut()'s files.
Shard write_shard(std::span<const File> files);
/// The index. too_large past the limits above.
Result<std::string> write_index(const Snapshot& snapshot);

/// Failure::invalid for what write_shard() could not have written: paths out of order, or such as check_path() refuses.
Result<Listing> parse_listing(std::string_view text);
/// The digest of the listing of a shard; invalid where `manifest` is no shard.
Result<Digest> parse_shard(std::string_view manifest);
/// invalid where `index` is no tree, or its shards are out of order.
Result<Snapshot> parse_index(std::string_view index);

}  // namespace slipway::publish
