#pragma once
// What the packages of a snapshot say, read once: a snapshot that follows has most of it in common with the one before.

#include "opam/package.hpp"
#include "publish/trees.hpp"

#include <list>
#include <unordered_map>

namespace slipway::opam {

struct PackageEntry {
  PackageName name;
  Package package;
  std::string path;  ///< of its opam file
};

/// In byte order of their paths, in parts that snapshots share.
using PackageList = std::vector<std::shared_ptr<const std::vector<PackageEntry>>>;

/// Of one repository. Safe to call from any thread.
class Packages {
public:
  /// Those of a tree; a file that is no opam file is passed over. Fails as the store does.
  Result<PackageList> read(publish::Trees& trees, const std::string& repository, const publish::Snapshot& snapshot);

private:
  std::mutex m_mutex;                                                                  // guards what follows
  std::unordered_map<Digest, std::weak_ptr<const std::vector<PackageEntry>>> m_parts;  // by shard
  std::list<PackageList> m_recent;  // what was read last, the newest first
};

/// All their sources.
std::vector<Source> sources_of(const PackageList& packages);

}  // namespace slipway::opam
