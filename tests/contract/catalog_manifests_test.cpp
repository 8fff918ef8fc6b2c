// What the catalog promises about manifests and tags. Every change is read back at once, by names that were looked up
// before: nothing may be remembered past its time.

#include "catalog_contract.hpp"

namespace slipway::catalog {
namespace {

using Names = std::vector<std::string>;

class CatalogManifests : public CatalogContract {
protected:
  static Edge edge(EdgeKind kind, const Digest& digest, bool may_be_absent = false) {
    return {kind, digest, "application/octet-stream", 1, may_be_absent};
  }
  static Digest absent(std::string_view text) { return digest_of(as_bytes("absent " + std::string(text))); }
};
INSTANTIATE_FOR_DATABASES(CatalogManifests);

TEST_P(CatalogManifests, AreFoundByDigestAndTag) {
  const auto digest = put("a", manifest("m1"), {"latest", "v1"});
  EXPECT_EQ(manifest_at("a", digest), "m1");
  EXPECT_EQ(tag("a", "latest"), "m1");
  EXPECT_EQ(tag("a", "v1"), "m1");
  const auto found = m_catalog->find_tag("a", "v1").value();
  EXPECT_EQ(found.digest, digest);
  EXPECT_EQ(found.media_type, "application/vnd.oci.image.manifest.v1+json");
  reopen();
  EXPECT_EQ(tag("a", "latest"), "m1");
}

TEST_P(CatalogManifests, AreNotFoundElsewhere) {
  const auto digest = put("a", manifest("m1"), {"latest"});
  EXPECT_EQ(tag("a", "other"), "(not_found)");
  EXPECT_EQ(tag("b", "latest"), "(not_found)");
  EXPECT_EQ(manifest_at("b", digest), "(not_found)");
  EXPECT_EQ(manifest_at("a", absent("m")), "(not_found)");
}

TEST_P(CatalogManifests, AreListedInPagesTaggedOrNot) {
  std::vector<Digest> put_so_far;
  for (const auto* text : {"m1", "m2", "m3"})
    put_so_far.push_back(put("a", manifest(text), std::string(text) == "m2" ? Names{"latest"} : Names{}));
  put("b", manifest("other"), {});
  const auto first = m_catalog->manifests("a", 0, 2).value();
  ASSERT_EQ(first.size(), 2U);
  const auto rest = m_catalog->manifests("a", first.back().position, 2).value();
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ((std::vector{first[0].digest, first[1].digest, rest[0].digest}), put_so_far);
  EXPECT_TRUE(m_catalog->manifests("absent", 0, 2).value().empty());
}

TEST_P(CatalogManifests, MayHoldAnyBytes) {
  const std::string bytes("\0\xff binary \n", 11);
  put("a", manifest(bytes), {"latest"});
  EXPECT_EQ(tag("a", "latest"), bytes);
}

TEST_P(CatalogManifests, MayBeLarge) {
  for (const std::size_t size : {65535U, 65536U, 65537U, 4U << 20, 10U, 100'000U}) {
    const std::string bytes(size, static_cast<char>('a' + size % 7));
    const auto digest = put("a", manifest(bytes), {"latest"});
    for (int i = 0; i < 2; ++i) {  // asked for anew, and known
      EXPECT_TRUE(tag("a", "latest") == bytes);
      EXPECT_TRUE(manifest_at("a", digest) == bytes);
    }
    reopen();
    EXPECT_TRUE(manifest_at("a", digest) == bytes);
    EXPECT_TRUE(tag("a", "latest") == bytes);
  }
}

TEST_P(CatalogManifests, MoveTheirTag) {
  const auto first = put("a", manifest("m1"), {"latest"});
  EXPECT_EQ(tag("a", "latest"), "m1");
  const auto second = put("a", manifest("m2"), {"latest"});
  EXPECT_EQ(tag("a", "latest"), "m2");
  put("a", manifest("m1"), {"latest"});
  EXPECT_EQ(tag("a", "latest"), "m1");
  EXPECT_EQ(manifest_at("a", first), "m1");
  EXPECT_EQ(manifest_at("a", second), "m2");
}

TEST_P(CatalogManifests, AppearUnderANameThatWasLookedUpInVain) {
  EXPECT_EQ(tag("a", "latest"), "(not_found)");
  EXPECT_EQ(manifest_at("a", manifest("m1").digest), "(not_found)");
  const auto digest = put("a", manifest("m1"), {"latest"});
  EXPECT_EQ(tag("a", "latest"), "m1");
  EXPECT_EQ(manifest_at("a", digest), "m1");
}

TEST_P(CatalogManifests, ShowANewMediaTypeUnderEveryName) {
  auto changed = manifest("m1");
  const auto digest = put("a", changed, {"latest", "v1"});
  ASSERT_EQ(m_catalog->find_tag("a", "v1")->media_type, changed.media_type);
  ASSERT_EQ(m_catalog->find_manifest("a", digest)->media_type, changed.media_type);
  changed.media_type = "application/vnd.docker.distribution.manifest.v2+json";
  put("a", changed, {"latest"});
  EXPECT_EQ(m_catalog->find_manifest("a", digest)->media_type, changed.media_type);
  EXPECT_EQ(m_catalog->find_tag("a", "latest")->media_type, changed.media_type);
  EXPECT_EQ(m_catalog->find_tag("a", "v1")->media_type, changed.media_type);
}

TEST_P(CatalogManifests, KeepTheMediaTypeOfEachRepository) {
  auto other = manifest("m1");
  put("a", other, {"latest"});
  other.media_type = "application/vnd.docker.distribution.manifest.v2+json";
  put("b", other, {"latest"});
  EXPECT_NE(m_catalog->find_tag("a", "latest")->media_type, m_catalog->find_tag("b", "latest")->media_type);
}

TEST_P(CatalogManifests, NeedTheirChildren) {
  const auto config = add_blob("a", "config");
  const auto layer = add_blob("a", "layer");
  add_blob("b", "elsewhere");
  const auto elsewhere = digest_of(as_bytes("elsewhere"));
  const auto outcome = m_catalog->put_manifest(
      "a",
      manifest("m1", {edge(EdgeKind::config, config), edge(EdgeKind::layer, layer), edge(EdgeKind::layer, absent("1")),
                      edge(EdgeKind::layer, elsewhere), edge(EdgeKind::child, absent("2"))}),
      {"latest"}, "alice", true);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->put);
  EXPECT_EQ(outcome->missing, (std::vector{absent("1"), elsewhere, absent("2")}));
  EXPECT_EQ(tag("a", "latest"), "(not_found)");
  EXPECT_EQ(manifest_at("a", manifest("m1").digest), "(not_found)");
  EXPECT_TRUE(m_catalog->tag_history("a", "", 10)->empty());
}

TEST_P(CatalogManifests, ThatLackChildrenMakeNoRepository) {
  ASSERT_TRUE(m_catalog->put_manifest("new", manifest("m", {edge(EdgeKind::config, absent("c"))}), {}, "alice", true));
  EXPECT_FALSE(m_catalog->has_repository("new").value());
}

TEST_P(CatalogManifests, DoNotNeedSubjectsAndForeignLayers) {
  put("a",
      manifest("m1",
               {edge(EdgeKind::subject, absent("subject"), true), edge(EdgeKind::layer, absent("foreign"), true)}),
      {"latest"});
  EXPECT_EQ(tag("a", "latest"), "m1");
}

TEST_P(CatalogManifests, NeedNothingWhereNobodyAsksForIt) {
  const auto outcome =
      m_catalog->put_manifest("a", manifest("index", {edge(EdgeKind::child, absent("m"))}), {"latest"}, "alice", false);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->put);
  EXPECT_EQ(outcome->missing, std::vector{absent("m")});
  EXPECT_EQ(tag("a", "latest"), "index");
}

TEST_P(CatalogManifests, MayHaveManifestsAndBlobsForChildren) {
  const auto child = put("a", manifest("child"), {});
  const auto plain = add_blob("a", "cache layer");
  put("a", manifest("index", {edge(EdgeKind::child, child), edge(EdgeKind::child, plain)}), {"latest"});
  EXPECT_EQ(tag("a", "latest"), "index");
}

TEST_P(CatalogManifests, OfAnotherRepositoryAreNoChildren) {
  const auto child = put("b", manifest("child"), {});
  const auto outcome =
      m_catalog->put_manifest("a", manifest("index", {edge(EdgeKind::child, child)}), {}, "alice", true);
  EXPECT_EQ(outcome->missing, std::vector{child});
}

TEST_P(CatalogManifests, CannotBeLayers) {
  const auto child = put("a", manifest("child"), {});
  const auto outcome =
      m_catalog->put_manifest("a", manifest("image", {edge(EdgeKind::layer, child)}), {}, "alice", true);
  EXPECT_EQ(outcome->missing, std::vector{child});
}

TEST_P(CatalogManifests, MayBePutAgain) {
  const auto layer = add_blob("a", "layer");
  for (int i = 0; i < 3; ++i) put("a", manifest("m1", {edge(EdgeKind::layer, layer)}), {"latest"});
  EXPECT_EQ(m_catalog->totals()->manifests, 1U);
  EXPECT_EQ(m_catalog->repository("a")->manifests, 1U);
}

TEST_P(CatalogManifests, GoWithAllTheirTags) {
  const auto digest = put("a", manifest("m1"), {"latest", "v1"});
  put("a", manifest("m2"), {"v2"});
  put("b", manifest("m1"), {"latest"});
  EXPECT_EQ(tag("a", "latest"), "m1");
  EXPECT_EQ(tag("a", "v1"), "m1");
  EXPECT_EQ(manifest_at("a", digest), "m1");
  m_clock.advance(std::chrono::hours(1));

  ASSERT_TRUE(m_catalog->remove_manifest("a", digest, "bob"));

  EXPECT_EQ(tag("a", "latest"), "(not_found)");
  EXPECT_EQ(tag("a", "v1"), "(not_found)");
  EXPECT_EQ(manifest_at("a", digest), "(not_found)");
  EXPECT_EQ(tag("a", "v2"), "m2");
  EXPECT_EQ(tag("b", "latest"), "m1");
  EXPECT_EQ(m_catalog->tags("a", "", 10).value(), Names{"v2"});
  const auto history = m_catalog->tag_history("a", "latest", 10).value();
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].digest, std::nullopt);
  EXPECT_EQ(history[0].who, "bob");
  EXPECT_EQ(history[0].at, m_clock.now());
}

TEST_P(CatalogManifests, CanBeRemovedOnceOnly) {
  const auto digest = put("a", manifest("m1"), {});
  EXPECT_EQ(m_catalog->remove_manifest("b", digest, "x").error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->remove_manifest("a", absent("m"), "x").error().failure, Failure::not_found);
  EXPECT_TRUE(m_catalog->remove_manifest("a", digest, "x"));
  EXPECT_EQ(m_catalog->remove_manifest("a", digest, "x").error().failure, Failure::not_found);
  put("a", manifest("m1"), {"latest"});
  EXPECT_EQ(tag("a", "latest"), "m1");
}

TEST_P(CatalogManifests, StayWhenATagGoes) {
  const auto digest = put("a", manifest("m1"), {"latest", "v1"});
  EXPECT_EQ(tag("a", "latest"), "m1");
  ASSERT_TRUE(m_catalog->remove_tag("a", "latest", "bob"));
  EXPECT_EQ(tag("a", "latest"), "(not_found)");
  EXPECT_EQ(tag("a", "v1"), "m1");
  EXPECT_EQ(manifest_at("a", digest), "m1");
  EXPECT_EQ(m_catalog->remove_tag("a", "latest", "bob").error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->remove_tag("b", "latest", "bob").error().failure, Failure::not_found);
}

class CatalogTags : public CatalogManifests {};
INSTANTIATE_FOR_DATABASES(CatalogTags);

TEST_P(CatalogTags, ArePagedInByteOrder) {
  const auto digest = put("a", manifest("m1"), {"v2", "v10", "V1", "_x", "latest", "1"});
  const Names all = {"1", "V1", "_x", "latest", "v10", "v2"};
  EXPECT_EQ(m_catalog->tags("a", "", 100).value(), all);
  EXPECT_EQ(m_catalog->tags("a", "V1", 2).value(), (Names{"_x", "latest"}));
  EXPECT_EQ(m_catalog->tags("a", "between", 1).value(), Names{"latest"});
  EXPECT_EQ(m_catalog->tags("a", "", 0).value(), Names{});
  const auto records = m_catalog->tag_records("a", "latest", 10).value();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].name, "v10");
  EXPECT_EQ(records[0].digest, digest);
  EXPECT_EQ(records[0].media_type, "application/vnd.oci.image.manifest.v1+json");
  EXPECT_EQ(records[0].manifest_bytes, 2U);
  EXPECT_EQ(records[0].updated_at, m_clock.now());
}

TEST_P(CatalogTags, OfNoRepositoryAreNotFound) {
  EXPECT_EQ(m_catalog->tags("absent", "", 10).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->tag_records("absent", "", 10).error().failure, Failure::not_found);
  add_blob("a", "x");
  EXPECT_EQ(m_catalog->tags("a", "", 10).value(), Names{});
}

TEST_P(CatalogTags, RememberTheirMovesNewestFirst) {
  const auto start = m_clock.now();
  const auto first = put("a", manifest("m1"), {"latest", "other"});
  m_clock.advance(std::chrono::hours(1));
  const auto second = put("a", manifest("m2"), {"latest"});
  m_clock.advance(std::chrono::hours(1));
  ASSERT_TRUE(m_catalog->remove_tag("a", "latest", "bob"));

  const auto moves = m_catalog->tag_history("a", "latest", 10).value();

  ASSERT_EQ(moves.size(), 3U);
  EXPECT_EQ(moves[0].digest, std::nullopt);
  EXPECT_EQ(moves[0].who, "bob");
  EXPECT_EQ(moves[1].digest, second.text());
  EXPECT_EQ(moves[1].at, start + std::chrono::hours(1));
  EXPECT_EQ(moves[2].digest, first.text());
  EXPECT_EQ(moves[2].who, "alice");
  EXPECT_EQ(m_catalog->tag_history("a", "", 10)->size(), 4U);
  EXPECT_EQ(m_catalog->tag_history("a", "", 2)->size(), 2U);
  EXPECT_TRUE(m_catalog->tag_history("b", "", 10)->empty());
}

TEST_P(CatalogTags, ShowTheDigestTheyWerePushedBy) {
  auto by_sha512 = manifest("m1");
  by_sha512.digest = digest_of(as_bytes("m1"), Algorithm::sha512);
  put("a", by_sha512, {"latest"});
  EXPECT_EQ(m_catalog->find_tag("a", "latest")->digest, by_sha512.digest);
  EXPECT_EQ(manifest_at("a", by_sha512.digest), "m1");
}

TEST_P(CatalogTags, AreServedFromMemoryTheSecondTimeWhereNobodyElseCanMoveThem) {
  put("a", manifest("m1"), {"latest"});
  tag("a", "latest");
  const auto misses = m_catalog->cache_misses();
  const auto hits = m_catalog->cache_hits();
  EXPECT_EQ(tag("a", "latest"), "m1");
  const bool is_shared = m_database->is_shared();
  EXPECT_EQ(m_catalog->cache_misses(), is_shared ? misses + 1 : misses);
  EXPECT_EQ(m_catalog->cache_hits(), is_shared ? hits : hits + 1);
}

}  // namespace
}  // namespace slipway::catalog
