#pragma once
// Whether a manifest that somebody pushes may be a tree, or a part of one: what could not be served is told to whoever
// publishes it, not to those who come to read.

#include "publish/trees.hpp"

namespace slipway::publish {

/// Of a manifest whose blobs and children `repository` has already; others than trees and shards are none of ours.
/// Failure::invalid, or too_large, saying what is wrong: files that no layer is, so that nothing would keep them; paths
/// that cannot be; rules that cannot be, with their line; a name that cannot be a site's. not_found where something is
/// missing. Costs one listing for a shard, and a few for a tree.
Result<> check_manifest(Trees& trees, const std::string& repository, const catalog::NewManifest& manifest);

/// The rules of a tree: that redirects lead somewhere. Failure::invalid as "_redirects: line N: …".
Result<> check_rules(Trees& trees, const OpenTree& tree);

}  // namespace slipway::publish
