#pragma once
// A tree made from another by what is different, at the price of the difference: only the shards that have it are read
// and written.

#include "publish/tree.hpp"

#include <functional>
#include <map>

namespace slipway::publish {

/// By path: what is there from then on, or nothing. Paths as check_path() wants them.
using TreeChanges = std::map<std::string, std::optional<File>, std::less<>>;

/// Calls `listing_of` for the shards of `before` that it needs, and `put` for those that are new, in order. What comes
/// of it is, to the byte, what a tree of the same files would be that was made at once, but that annotations stay as
/// they were. too_large past the limits of trees; else what the two fail with.
Result<Snapshot> edit_tree(const Snapshot& before, const TreeChanges& changes,
                           const std::function<Result<Listing>(const ShardEntry&)>& listing_of,
                           const std::function<Result<>(Shard)>& put);

}  // namespace slipway::publish
