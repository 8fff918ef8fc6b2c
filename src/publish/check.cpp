#include "publish/check.hpp"

#include "base/text.hpp"
#include "publish/mount.hpp"
#include "publish/pages.hpp"

#include <fmt/format.h>
#include <unordered_set>

namespace slipway::publish {
namespace {

Result<> check_shard(Trees& trees, const std::string& repository, const catalog::NewManifest& manifest) {
  TRY_ASSIGN(const auto listing, trees.listing_of(repository, manifest.bytes));
  std::unordered_set<Digest> layers;
  for (const auto& edge : manifest.edges)
    if (edge.kind == catalog::EdgeKind::layer) layers.insert(edge.digest);
  for (const auto& file : listing.files)
    if (!layers.contains(file.digest))
      return fail(Failure::invalid, fmt::format("'{}' of a tree's listing, {}, is no layer of its shard",
                                                printable(file.path), file.digest.text()));
  return {};
}

Result<> check_tree(Trees& trees, const std::string& repository, const catalog::NewManifest& manifest) {
  if (const auto first = repository.substr(0, repository.find('/')); is_reserved_part(first))
    return fail(Failure::invalid, fmt::format("'{}' cannot be a site: /{} is the server's own", repository, first));
  TRY_ASSIGN(const auto tree, trees.open(repository, {.digest = manifest.digest,
                                                      .media_type = manifest.media_type,
                                                      .bytes = std::make_shared<const std::string>(manifest.bytes)}));
  return check_rules(trees, *tree);
}

}  // namespace

Result<> check_rules(Trees& trees, const OpenTree& tree) {
  Result<> read;  // what went wrong on the way
  const auto checked = tree.redirects.check([&](std::string_view path) {
    const auto page = page_of(trees, tree, path, false);
    if (!page && read) read = std::unexpected(page.error());
    return page && page->file;
  });
  TRY(read);
  if (!checked) return std::unexpected(checked.error().during(redirects_name));
  return {};
}

Result<> check_manifest(Trees& trees, const std::string& repository, const catalog::NewManifest& manifest) {
  if (manifest.artifact_type == shard_type) return check_shard(trees, repository, manifest);
  if (manifest.artifact_type == tree_type) return check_tree(trees, repository, manifest);
  return {};
}

}  // namespace slipway::publish
