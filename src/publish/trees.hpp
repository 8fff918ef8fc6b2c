#pragma once
// Trees as the store has them, opened for those who look into them: indexes, rules and listings, of which those in use
// are kept in memory. Nothing that has a digest ever changes.

#include "base/bounded_map.hpp"
#include "catalog/keep.hpp"
#include "publish/header_rules.hpp"
#include "publish/redirects.hpp"
#include "publish/tree.hpp"

#include <array>
#include <memory>
#include <mutex>

namespace slipway::publish {

/// Files of a tree that have its rules. They are not served.
inline constexpr const char* redirects_name = "_redirects";
inline constexpr const char* headers_name = "_headers";

/// A snapshot with its rules.
struct OpenTree {
  std::string repository;
  Digest digest;
  Snapshot snapshot;
  Redirects redirects;
  HeaderRules headers;
};

/// A file of a tree, and the listing that has it.
struct FoundFile {
  std::shared_ptr<const Listing> listing;
  const File* file = nullptr;
  explicit operator bool() const { return file != nullptr; }
};

/// Safe to call from any thread. Catalog and store outlive it.
class Trees {
public:
  /// Keeps at most so many bytes, about.
  Trees(catalog::Catalog& catalog, blob::BlobStore& store, std::size_t bytes_max);

  /// The tree that one of a repository's manifests is. Failure::invalid where it is none, or has rules that cannot be.
  Result<std::shared_ptr<const OpenTree>> open(const std::string& repository, const catalog::StoredManifest& index);
  /// The file of that path, or none.
  Result<FoundFile> find(const OpenTree& tree, std::string_view path);
  /// The first file at or after that path, in byte order, or none.
  Result<FoundFile> find_from(const OpenTree& tree, std::string_view path);
  /// The listing that a shard's manifest names. not_found where the repository has not that blob.
  Result<Listing> listing_of(const std::string& repository, std::string_view shard_manifest);
  /// The listing of a shard, kept in memory. not_found where the repository has not all that its tree needs.
  Result<std::shared_ptr<const Listing>> listing(const std::string& repository, const ShardEntry& shard);

  /// The bytes of a blob, checked. too_large past `size_max`.
  Result<std::string> read(const std::string& repository, const Digest& digest, std::size_t size_max);
  /// The same, piece by piece, of any size: nothing counts before it has returned.
  Result<> read_pieces(const std::string& repository, const Digest& digest,
                       const std::function<Result<>(ByteView)>& each);
  /// A blob of a tree. Where other servers share the catalog, where it lay when it was asked for last: open() finds it
  /// wherever it has moved since.
  Result<catalog::StoredBlob> blob(const std::string& repository, const Digest& digest);
  /// A part of it, to be sent.
  Result<FileSlice> open_blob(const std::string& repository, const Digest& digest, const catalog::StoredBlob& blob,
                              ByteRange range);
  /// It turned out not to be where blob() said.
  void forget_blob(const std::string& repository, const Digest& digest);

private:
  template <typename Rules>
  Result<Rules> read_rules(const OpenTree& tree, const char* name, std::size_t size_max);

  catalog::Catalog& m_catalog;
  blob::BlobStore& m_store;

  std::array<std::mutex, 64> m_reading;  // of listings: by their shard

  std::mutex m_mutex;                                               // guards what follows
  BoundedMap<std::string, std::shared_ptr<const OpenTree>> m_open;  // by repository and digest
  BoundedMap<Digest, std::shared_ptr<const Listing>> m_listings;    // by the shard's
  BoundedMap<std::string, catalog::StoredBlob> m_blobs;             // by repository and digest
};

}  // namespace slipway::publish
