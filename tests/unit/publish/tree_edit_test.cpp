#include "publish/tree_edit.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

namespace slipway::publish {
namespace {

using Files = std::map<std::string, File>;

File file(const std::string& path, const std::string& content) {
  return {.path = path,
          .digest = digest_of(as_bytes(content)),
          .size = content.size(),
          .media_type = "text/plain",
          .variants = {}};
}

/// A registry of shards, and what was asked of it.
class TreeEditTest : public testing::Test {
protected:
  Snapshot whole(const Files& files) {
    std::vector<File> in_order;
    Snapshot out;
    for (const auto& [path, each] : files) {
      in_order.push_back(each);
      ++out.files;
      out.bytes += each.size;
    }
    for (const auto part : cut(in_order)) {
      auto shard = write_shard(part);
      out.shards.push_back({shard.digest, shard.manifest.size(), shard.first});
      m_listings.emplace(shard.digest, std::move(shard.listing));
    }
    return out;
  }

  Result<Snapshot> edit(const Snapshot& before, const TreeChanges& changes) {
    m_reads = m_writes = 0;
    return edit_tree(
        before, changes,
        [&](const ShardEntry& shard) {
          ++m_reads;
          return parse_listing(m_listings.at(shard.digest));
        },
        [&](Shard shard) -> Result<> {
          ++m_writes;
          m_listings.emplace(shard.digest, std::move(shard.listing));
          return {};
        });
  }

  /// The edit of a tree is the tree of the edited files.
  void expect_same(const Files& before, const TreeChanges& changes) {
    auto after = before;
    for (const auto& [path, each] : changes) {
      after.erase(path);
      if (each) after.emplace(path, *each);
    }
    const auto edited = edit(whole(before), changes);
    ASSERT_TRUE(edited) << edited.error().message;
    EXPECT_EQ(write_index(*edited).value(), write_index(whole(after)).value());
    EXPECT_LE(m_writes, m_reads + 2 + changes.size());
  }

  static Files files(std::size_t count) {
    Files out;
    for (std::size_t i = 0; i < count; ++i) {
      const auto path = fmt::format("dir-{}/page-{}.html", i % 7, i);
      out.emplace(path, file(path, path));
    }
    return out;
  }

  std::map<Digest, std::string> m_listings;
  std::size_t m_reads = 0, m_writes = 0;
};

TEST_F(TreeEditTest, CostsWhatIsDifferent) {
  const auto before = files(20'000);
  const auto path = std::next(before.begin(), 10'000)->first;
  expect_same(before, {{path, file(path, "other")}});
  EXPECT_EQ(m_reads, 1U);
  EXPECT_EQ(m_writes, 1U);
  expect_same(before, {{path, before.at(path)}});
  EXPECT_EQ(m_writes, 0U);
  expect_same(before, {});
  EXPECT_EQ(m_reads, 0U);
}

TEST_F(TreeEditTest, MakesATreeOfNothing) {
  TreeChanges all;
  for (const auto& [path, each] : files(3000)) all.emplace(path, each);
  expect_same({}, all);
  for (auto& [path, each] : all) each.reset();
  expect_same(files(3000), all);
  expect_same({}, {{"no", std::nullopt}});
}

TEST_F(TreeEditTest, IsWhatComesOfTheEditedFilesWhateverTheEdit) {
  std::mt19937 source(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  for (int round = 0; round < 300; ++round) {
    auto before = files(source() % 3000);
    const auto snapshot = whole(before);
    TreeChanges changes;
    for (auto n = source() % 12; n > 0; --n) {
      const auto number = source() % 3500;
      const auto path = fmt::format("dir-{}/page-{}.html", number % 7, number);
      changes[path] = source() % 2 == 0 ? std::optional(file(path, fmt::format("{}", source()))) : std::nullopt;
    }
    // The paths where shards begin are where it can go wrong.
    for (const auto& shard : snapshot.shards)
      if (source() % 4 == 0) changes[shard.first] = std::nullopt;
    expect_same(before, changes);
  }
}

TEST_F(TreeEditTest, MovesCutsThatFullShardsMade) {
  Files before;  // of paths that never begin a shard
  for (std::size_t i = 0; before.size() < 4 * shard_files_max; ++i)
    if (const auto path = fmt::format("p{:06}", i); !begins_shard(path)) before.emplace(path, file(path, path));
  const auto inner = std::next(before.begin(), 100)->first;
  expect_same(before, {{inner, std::nullopt}});
  expect_same(before, {{inner + "x", file(inner + "x", "")}});
  expect_same(before, {{"a", file("a", "")}});
}

TEST_F(TreeEditTest, KeepsAnnotationsAndRefusesPaths) {
  auto before = whole(files(10));
  before.annotations["org.opencontainers.image.revision"] = "a \"b\"";
  const auto edited = edit(before, {{"x", file("x", "")}});
  ASSERT_TRUE(edited);
  EXPECT_EQ(edited->annotations, before.annotations);
  const auto read = parse_index(write_index(*edited).value());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->annotations, before.annotations);
  EXPECT_EQ(edit(before, {{"../x", std::nullopt}}).error().failure, Failure::invalid);
}

}  // namespace
}  // namespace slipway::publish
