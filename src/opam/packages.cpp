#include "opam/packages.hpp"

#include <algorithm>

namespace slipway::opam {
namespace {

constexpr std::size_t recent_max = 2;  // of two channels, or before and after a merge

Result<PackageList::value_type> read_part(publish::Trees& trees, const std::string& repository,
                                          const publish::ShardEntry& shard) {
  auto out = std::make_shared<std::vector<PackageEntry>>();
  TRY_ASSIGN(const auto listing, trees.listing(repository, shard));
  for (const auto& file : listing->files) {
    auto name = package_of_path(file.path);
    if (!name || file.size > file_bytes_max) continue;
    TRY_ASSIGN(const auto text, trees.read(repository, file.digest, file_bytes_max));
    const auto items = parse_file(text, file.path);
    if (items) out->push_back({std::move(*name), read_package(*items), file.path});
  }
  return out;
}

}  // namespace

Result<PackageList> Packages::read(publish::Trees& trees, const std::string& repository,
                                   const publish::Snapshot& snapshot) {
  const std::lock_guard lock(m_mutex);
  PackageList out;
  for (const auto& shard : snapshot.shards) {
    auto& known = m_parts[shard.digest];
    auto part = known.lock();
    if (!part) {
      TRY_ASSIGN(part, read_part(trees, repository, shard));
      known = part;
    }
    out.push_back(std::move(part));
  }
  if (std::ranges::find(m_recent, out) == m_recent.end()) {
    m_recent.push_front(out);
    if (m_recent.size() > recent_max) m_recent.pop_back();
    std::erase_if(m_parts, [](const auto& part) { return part.second.expired(); });
  }
  return out;
}

std::vector<Source> sources_of(const PackageList& packages) {
  std::vector<Source> out;
  for (const auto& part : packages)
    for (const auto& entry : *part) out.insert(out.end(), entry.package.sources.begin(), entry.package.sources.end());
  return out;
}

}  // namespace slipway::opam
