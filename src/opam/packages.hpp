#pragma once
// What the packages of a snapshot say, read once: a snapshot that follows has most of it in common with the one before.

#include "opam/package.hpp"
#include "publish/trees.hpp"

#include <unordered_map>

namespace slipway::opam {

struct PackageEntry {
  PackageName name;
  Package package;
};

/// In byte order of their paths, in parts that snapshots share.
using PackageList = std::vector<std::shared_ptr<const std::vector<PackageEntry>>>;

/// Safe to call from any thread.
class Packages {
public:
  /// Those of a tree; a file that is no opam file is passed over. Fails as the store does.
  Result<PackageList> read(publish::Trees& trees, const publish::OpenTree& tree);

private:
  std::mutex m_mutex;  // guards the next: of the tree that was read last, by shard
  std::unordered_map<Digest, PackageList::value_type> m_parts;
};

/// All their sources.
std::vector<Source> sources_of(const PackageList& packages);

}  // namespace slipway::opam
