#include "publish/tree.hpp"

#include "base/json.hpp"
#include "oci/manifest.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace slipway::publish {
namespace {

File file(const std::string& path, std::string_view content = "x") {
  return {.path = path,
          .digest = digest_of(as_bytes(content)),
          .size = content.size(),
          .media_type = "text/html; charset=utf-8",
          .variants = {}};
}

std::vector<File> many_files(std::size_t count) {
  std::vector<File> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(file(fmt::format("dir-{}/page-{}.html", i % 7, i)));
  std::ranges::sort(out, {}, &File::path);
  return out;
}

struct Tree {
  std::vector<Shard> shards;
  Snapshot snapshot;
  std::string index;
};

Tree tree_of(const std::vector<File>& files) {
  Tree out;
  for (const auto part : cut(files)) {
    out.shards.push_back(write_shard(part));
    const auto& shard = out.shards.back();
    out.snapshot.shards.push_back({shard.digest, shard.manifest.size(), shard.first});
  }
  out.snapshot.files = files.size();
  for (const auto& each : files) out.snapshot.bytes += each.size;
  out.index = write_index(out.snapshot).value();
  return out;
}

/// What of `after` is not in `before`.
std::size_t new_shards(const Tree& before, const Tree& after) {
  return static_cast<std::size_t>(std::ranges::count_if(after.shards, [&](const Shard& shard) {
    return std::ranges::count(before.shards, shard.digest, &Shard::digest) == 0;
  }));
}

TEST(Tree, IsReadAsItWasWritten) {
  const auto files = many_files(2000);
  const auto tree = tree_of(files);
  const auto snapshot = parse_index(tree.index).value();
  EXPECT_EQ(snapshot.shards, tree.snapshot.shards);
  EXPECT_EQ(snapshot.files, 2000);
  EXPECT_EQ(snapshot.bytes, 2000);
  std::vector<File> read;
  for (const auto& shard : tree.shards) {
    EXPECT_EQ(parse_shard(shard.manifest).value(), shard.listing_digest);
    const auto listing = parse_listing(shard.listing).value();
    read.insert(read.end(), listing.files.begin(), listing.files.end());
  }
  EXPECT_EQ(read, files);
}

TEST(Tree, IsOfManifestsThatARegistryTakes) {
  const auto tree = tree_of(many_files(600));
  const auto index = oci::parse_manifest(tree.index, oci::oci_index, {}).value();
  EXPECT_EQ(index.artifact_type, tree_type);
  EXPECT_EQ(index.edges.size(), tree.shards.size());
  const auto shard = oci::parse_manifest(tree.shards[0].manifest, oci::oci_manifest, {}).value();
  EXPECT_EQ(shard.artifact_type, shard_type);
  ASSERT_EQ(shard.edges.size(), 2) << "a listing, and the one content that all the files have";
  EXPECT_EQ(shard.edges[0].digest, tree.shards[0].listing_digest);
  EXPECT_EQ(shard.edges[0].size, tree.shards[0].listing.size());
}

TEST(Tree, OfNothingIsATreeToo) {
  const auto tree = tree_of({});
  EXPECT_TRUE(tree.shards.empty());
  const auto snapshot = parse_index(tree.index).value();
  EXPECT_EQ(snapshot.shard_of("index.html"), nullptr);
}

TEST(Tree, IsCutIntoShardsOfSome256Files) {
  const auto shards = tree_of(many_files(50'000)).shards.size();
  EXPECT_GT(shards, 50'000 / 256 * 3 / 4);
  EXPECT_LT(shards, 50'000 / 256 * 4 / 3);
}

TEST(Tree, ChangesOneShardWithOneFile) {
  auto files = many_files(5000);
  const auto before = tree_of(files);
  files[2500] = file(files[2500].path, "changed");
  EXPECT_EQ(new_shards(before, tree_of(files)), 1);
}

TEST(Tree, ChangesAFewShardsWithAFileMoreOrLess) {
  const auto files = many_files(5000);
  const auto before = tree_of(files);
  for (std::size_t at = 0; at < files.size(); at += 97) {
    auto fewer = files;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_LE(new_shards(before, tree_of(fewer)), 1) << files[at].path;
    auto more = files;
    more.insert(more.begin() + static_cast<std::ptrdiff_t>(at) + 1, file(files[at].path + "-new"));
    EXPECT_LE(new_shards(before, tree_of(more)), 2) << files[at].path;
  }
}

TEST(Tree, KeepsListingsWithinTheirLimitsWhateverThePaths) {
  std::vector<File> files;
  for (std::size_t i = 0; i < 3000; ++i) {
    files.push_back(file(fmt::format("{}/{:0200}", std::string(200, 'a'), i)));
    files.back().media_type = std::string(255, 't');
  }
  for (const auto& shard : tree_of(files).shards) {
    EXPECT_LE(shard.listing.size(), listing_bytes_max);
    EXPECT_TRUE(parse_listing(shard.listing));
  }
}

TEST(Tree, TellsVariantsOfAFile) {
  auto page = file("page.html");
  page.variants = {{Coding::br, digest_of(as_bytes("br")), 2}, {Coding::gzip, digest_of(as_bytes("gzip")), 4}};
  const auto shard = write_shard(std::span(&page, 1));
  EXPECT_EQ(parse_listing(shard.listing).value().files.at(0), page);
}

TEST(Snapshot, FindsTheShardOfAPath) {
  const auto files = many_files(3000);
  const auto tree = tree_of(files);
  std::vector<Listing> listings;
  for (const auto& shard : tree.shards) listings.push_back(parse_listing(shard.listing).value());
  for (const auto& each : files) {
    const auto* shard = tree.snapshot.shard_of(each.path);
    ASSERT_NE(shard, nullptr);
    const auto at = static_cast<std::size_t>(shard - tree.snapshot.shards.data());
    const auto* found = listings[at].find(each.path);
    ASSERT_NE(found, nullptr) << each.path;
    EXPECT_EQ(*found, each);
    EXPECT_EQ(listings[at].find(each.path + "!"), nullptr);
  }
  EXPECT_EQ(tree.snapshot.shard_of("a"), nullptr) << "before all";
}

// ---- what others may have pushed ----

Json listing_of(std::initializer_list<std::string> paths) {
  Json files = Json::array();
  for (const auto& path : paths)
    files.push_back({{"path", path}, {"digest", digest_of({}).text()}, {"size", 0}, {"type", "text/plain"}});
  return {{"files", files}};
}

TEST(Listing, IsRefusedUnlessItsPathsAreInOrderAndPaths) {
  EXPECT_TRUE(parse_listing(listing_of({"a", "b"}).dump()));
  EXPECT_TRUE(parse_listing(listing_of({}).dump()));
  EXPECT_FALSE(parse_listing(listing_of({"b", "a"}).dump()));
  EXPECT_FALSE(parse_listing(listing_of({"a", "a"}).dump()));
  EXPECT_FALSE(parse_listing(listing_of({"../a"}).dump()));
  EXPECT_FALSE(parse_listing("[]"));
  EXPECT_FALSE(parse_listing("{}"));
  EXPECT_FALSE(parse_listing("{\"files\":[1]}"));
}

TEST(Listing, IsRefusedWhereAHeaderCouldBreak) {
  for (const auto* type : {"", "text/html\r\nSet-Cookie: x=y", "text/\x7Fhtml", "téxt/html"}) {
    auto listing = listing_of({"a"});
    listing["files"][0]["type"] = type;
    EXPECT_FALSE(parse_listing(listing.dump())) << type;
  }
}

TEST(Listing, IsRefusedWithoutDigestOrSize) {
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, Json>>{{"digest", "md5:00"},
                                                           {"digest", nullptr},
                                                           {"size", -1},
                                                           {"size", "1"},
                                                           {"size", nullptr},
                                                           {"br", 1},
                                                           {"gzip", {{"digest", digest_of({}).text()}}}}) {
    auto listing = listing_of({"a"});
    listing["files"][0][key] = value;
    EXPECT_FALSE(parse_listing(listing.dump())) << key << value;
  }
}

TEST(Listing, OfTooManyFilesIsRefused) {
  Json files = Json::array();
  for (std::size_t i = 0; i <= shard_files_max; ++i)
    files.push_back(
        {{"path", fmt::format("{:04}", i)}, {"digest", digest_of({}).text()}, {"size", 0}, {"type", "a/b"}});
  EXPECT_EQ(parse_listing(Json{{"files", files}}.dump()).error().failure, Failure::too_large);
}

TEST(Index, IsRefusedUnlessItIsATreeInOrder) {
  const auto tree = tree_of(many_files(2000));
  const auto changed = [&](const auto& change) {
    auto json = Json::parse(tree.index);
    change(json);
    return parse_index(json.dump()).has_value();
  };
  EXPECT_TRUE(changed([](Json& json) { json.erase("artifactType"); })) << "which tools that copy it may drop";
  EXPECT_FALSE(changed([](Json& json) { json.erase("annotations"); }));
  EXPECT_FALSE(changed([](Json& json) { json["manifests"][0].erase("annotations"); }));
  EXPECT_FALSE(changed([](Json& json) { std::swap(json["manifests"][0], json["manifests"][1]); }));
  EXPECT_FALSE(changed([](Json& json) { json["manifests"] = 1; }));
  EXPECT_FALSE(changed([](Json& json) { json["manifests"][0]["digest"] = "sha256:00"; }));
  EXPECT_FALSE(parse_index("[]"));
}

TEST(Shard, IsRefusedWithoutAListing) {
  EXPECT_FALSE(parse_shard("{}"));
  EXPECT_FALSE(parse_shard("[]"));
  EXPECT_FALSE(
      parse_shard(R"({"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:00"}})"));
}

}  // namespace
}  // namespace slipway::publish
