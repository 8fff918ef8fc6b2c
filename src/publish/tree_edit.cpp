#include "publish/tree_edit.hpp"

#include "publish/paths.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::publish {
namespace {

class Edit {
public:
  Edit(const Snapshot& before, const TreeChanges& changes,
       const std::function<Result<Listing>(const ShardEntry&)>& listing_of, const std::function<Result<>(Shard)>& put)
      : m_before(before), m_changes(changes), m_listing_of(listing_of), m_put(put),
        m_after{.shards = {}, .files = before.files, .bytes = before.bytes, .annotations = before.annotations} {}

  Result<Snapshot> run() {
    const auto& shards = m_before.shards;
    if (shards.empty()) {
      for (const auto& [path, file] : m_changes)
        if (file) add(*file);
    }
    auto change = m_changes.begin();
    for (std::size_t i = 0; i < shards.size(); ++i) {
      // What comes before the first shard belongs to it.
      const auto end = i + 1 < shards.size() ? m_changes.lower_bound(shards[i + 1].first) : m_changes.end();
      // A shard whose follower loses its first path, or begins anew only because it was full, may get more.
      const bool is_touched = change != end || loses_first(i + 1);
      if (is_touched || !m_open.empty())
        TRY(edit(shards[i], change, end));
      else
        m_after.shards.push_back(shards[i]);
      TRY(close(i + 1 < shards.size() && begins_shard(shards[i + 1].first) && !loses_first(i + 1)));
      change = end;
    }
    TRY(close(true));
    if (m_after.shards.size() > shards_max)
      return fail(Failure::too_large, fmt::format("a tree of {} files has too many shards", m_after.files));
    return std::move(m_after);
  }

private:
  /// Shard `i`, if there is one.
  bool loses_first(std::size_t i) const {
    if (i >= m_before.shards.size()) return false;
    const auto change = m_changes.find(m_before.shards[i].first);
    return change != m_changes.end() && !change->second;
  }

  void add(const File& file) {
    m_open.push_back(file);
    ++m_after.files;
    m_after.bytes += file.size;
  }

  Result<> edit(const ShardEntry& shard, TreeChanges::const_iterator change, TreeChanges::const_iterator end) {
    TRY_ASSIGN(auto listing, m_listing_of(shard));
    for (auto& file : listing.files) {
      for (; change != end && change->first < file.path; ++change)
        if (change->second) add(*change->second);
      if (change == end || change->first != file.path) {
        m_open.push_back(std::move(file));
        continue;
      }
      --m_after.files;
      m_after.bytes -= file.size;
      if (change->second) add(*change->second);
      ++change;
    }
    for (; change != end; ++change)
      if (change->second) add(*change->second);
    return {};
  }

  /// Makes shards of the files so far; where more may come to the last, it stays open.
  Result<> close(bool with_last) {
    if (m_open.empty()) return {};
    auto cuts = cut(m_open);
    if (!with_last) cuts.pop_back();
    std::size_t done = 0;
    for (const auto files : cuts) {
      auto shard = write_shard(files);
      m_after.shards.push_back({shard.digest, shard.manifest.size(), shard.first});
      const auto* known = m_before.shard_of(shard.first);
      if (!known || known->digest != shard.digest) TRY(m_put(std::move(shard)));
      done += files.size();
    }
    m_open.erase(m_open.begin(), m_open.begin() + static_cast<std::ptrdiff_t>(done));
    return {};
  }

  const Snapshot& m_before;
  const TreeChanges& m_changes;
  const std::function<Result<Listing>(const ShardEntry&)>& m_listing_of;
  const std::function<Result<>(Shard)>& m_put;
  Snapshot m_after;
  std::vector<File> m_open;  // in order, in no shard yet
};

}  // namespace

Result<Snapshot> edit_tree(const Snapshot& before, const TreeChanges& changes,
                           const std::function<Result<Listing>(const ShardEntry&)>& listing_of,
                           const std::function<Result<>(Shard)>& put) {
  for (const auto& [path, file] : changes) TRY(check_path(path));
  return Edit(before, changes, listing_of, put).run();
}

}  // namespace slipway::publish
