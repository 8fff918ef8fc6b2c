#include "opam/packages.hpp"

namespace slipway::opam {
namespace {

Result<PackageList::value_type> read_part(publish::Trees& trees, const publish::OpenTree& tree,
                                          const publish::ShardEntry& shard) {
  auto out = std::make_shared<std::vector<PackageEntry>>();
  TRY_ASSIGN(const auto listing, trees.listing(tree.repository, shard));
  for (const auto& file : listing->files) {
    auto name = package_of_path(file.path);
    if (!name || file.size > file_bytes_max) continue;
    TRY_ASSIGN(const auto text, trees.read(tree.repository, file.digest, file_bytes_max));
    const auto items = parse_file(text, file.path);
    if (items) out->push_back({std::move(*name), read_package(*items)});
  }
  return out;
}

}  // namespace

Result<PackageList> Packages::read(publish::Trees& trees, const publish::OpenTree& tree) {
  const std::lock_guard lock(m_mutex);
  PackageList out;
  std::unordered_map<Digest, PackageList::value_type> parts;
  for (const auto& shard : tree.snapshot.shards) {
    const auto known = m_parts.find(shard.digest);
    if (known != m_parts.end()) {
      out.push_back(known->second);
    } else {
      TRY_ASSIGN(auto part, read_part(trees, tree, shard));
      out.push_back(std::move(part));
    }
    parts.emplace(shard.digest, out.back());
  }
  m_parts = std::move(parts);
  return out;
}

std::vector<Source> sources_of(const PackageList& packages) {
  std::vector<Source> out;
  for (const auto& part : packages)
    for (const auto& entry : *part) out.insert(out.end(), entry.package.sources.begin(), entry.package.sources.end());
  return out;
}

}  // namespace slipway::opam
