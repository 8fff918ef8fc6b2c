#include "publish/remote_tree.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_set>

namespace slipway::publish {

Result<RemoteTree> RemoteTree::open(RegistryClient& client, const std::string& reference) {
  TRY_ASSIGN(const auto manifest, client.manifest(reference));
  const auto name = fmt::format("{}@{}", client.address().repository, reference);
  if (!manifest) return fail(Failure::not_found, fmt::format("there is no {} at {}", name, client.address().url));
  auto snapshot = parse_index(manifest->bytes);
  if (!snapshot) return fail(Failure::invalid, fmt::format("{} is no tree but {}", name, manifest->media_type));
  return RemoteTree(client, manifest->digest, std::move(*snapshot));
}

Result<Listing> RemoteTree::listing(const ShardEntry& shard) const {
  TRY_ASSIGN(const auto manifest, m_client->manifest(shard.digest.text()));
  if (!manifest) return fail(Failure::not_found, "the tree's shard " + shard.digest.text() + " is gone");
  TRY_ASSIGN(const auto digest, parse_shard(manifest->bytes));
  TRY_ASSIGN(const auto text, m_client->blob(digest, listing_bytes_max));
  return parse_listing(text);
}

Result<> RemoteTree::for_each(const std::string& prefix, const EachFile& each) const {
  const auto* first = m_snapshot.shard_of(prefix);
  for (auto at = first ? static_cast<std::size_t>(first - m_snapshot.shards.data()) : 0; at < m_snapshot.shards.size();
       ++at) {
    const auto& shard = m_snapshot.shards[at];
    if (shard.first > prefix && !shard.first.starts_with(prefix)) break;  // it comes after all of them
    TRY_ASSIGN(const auto listing, this->listing(shard));
    for (const auto& file : listing.files)
      if (file.path.starts_with(prefix)) TRY(each(file));
  }
  return {};
}

namespace {

/// Walks the files of some of a tree's shards.
class Cursor {
public:
  Cursor(const RemoteTree& tree, const std::unordered_set<Digest>& without) : m_tree(tree) {
    for (const auto& shard : tree.snapshot().shards)
      if (!without.contains(shard.digest)) m_shards.push_back(&shard);
  }

  /// The present file; null after the last one.
  Result<const File*> file() {
    while (m_file == m_listing.files.size()) {
      if (m_shard == m_shards.size()) return nullptr;
      TRY_ASSIGN(m_listing, m_tree.listing(*m_shards[m_shard++]));
      m_file = 0;
    }
    return &m_listing.files[m_file];
  }
  void advance() { ++m_file; }

private:
  const RemoteTree& m_tree;
  std::vector<const ShardEntry*> m_shards;
  std::size_t m_shard = 0;
  Listing m_listing;
  std::size_t m_file = 0;
};

}  // namespace

Result<> compare(const RemoteTree& before, const RemoteTree& after,
                 const std::function<Result<>(Difference, const File&)>& each) {
  std::unordered_set<Digest> olds, same;
  for (const auto& shard : before.snapshot().shards) olds.insert(shard.digest);
  for (const auto& shard : after.snapshot().shards)
    if (olds.contains(shard.digest)) same.insert(shard.digest);
  Cursor left(before, same), right(after, same);
  for (;;) {
    TRY_ASSIGN(const auto* old, left.file());
    TRY_ASSIGN(const auto* now, right.file());
    if (!old && !now) return {};
    if (!now || (old && old->path < now->path)) {
      TRY(each(Difference::removed, *old));
      left.advance();
    } else if (!old || now->path < old->path) {
      TRY(each(Difference::added, *now));
      right.advance();
    } else {
      if (*old != *now) TRY(each(Difference::changed, *now));
      left.advance();
      right.advance();
    }
  }
}

}  // namespace slipway::publish
