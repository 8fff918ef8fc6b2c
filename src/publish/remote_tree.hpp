#pragma once
// A snapshot as a client reads it from its server: the index at once, listings as they are wanted.

#include "publish/registry_client.hpp"

namespace slipway::publish {

/// Not safe for concurrent use. The client outlives it.
class RemoteTree {
public:
  using EachFile = std::function<Result<>(const File&)>;

  /// What a channel points at, or a digest names. not_found where there is nothing; invalid where it is no tree.
  static Result<RemoteTree> open(RegistryClient& client, const std::string& reference);

  const Digest& digest() const { return m_digest; }
  const Snapshot& snapshot() const { return m_snapshot; }

  /// Calls `each` for the files whose path begins with `prefix`, in byte order. Reads the shards that may have such.
  Result<> for_each(const std::string& prefix, const EachFile& each) const;
  Result<Listing> listing(const ShardEntry& shard) const;

private:
  RemoteTree(RegistryClient& client, Digest digest, Snapshot snapshot)
      : m_client(&client), m_digest(digest), m_snapshot(std::move(snapshot)) {}

  RegistryClient* m_client;
  Digest m_digest;
  Snapshot m_snapshot;
};

enum class Difference { added, removed, changed };

/// Calls `each` for the files that are not the same in both, in byte order, with what they are `after`, or were. Reads
/// only the shards that are not the same.
Result<> compare(const RemoteTree& before, const RemoteTree& after,
                 const std::function<Result<>(Difference, const File&)>& each);

}  // namespace slipway::publish
