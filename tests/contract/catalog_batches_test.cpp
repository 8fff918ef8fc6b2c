// Many blobs in one question, and in one write.

#include "catalog_contract.hpp"

namespace slipway::catalog {
namespace {

class CatalogBatches : public CatalogContract {
protected:
  static Digest digest(const std::string& text) { return digest_of(as_bytes(text)); }

  BatchedBlob fresh(const std::string& text) {
    auto location = location_for(text);
    location.kind = blob::LocationKind::pack;
    location.key = "packs/p";
    return {.digest = digest(text), .location = location};
  }
};

INSTANTIATE_FOR_DATABASES(CatalogBatches);

TEST_P(CatalogBatches, TellWhatIsThere) {
  add_blob("a", "mine");
  add_blob("b", "theirs");
  put("a", manifest("m"), {});
  put("b", manifest("n"), {});
  std::vector<Digest> digests;
  for (int i = 0; i < 250; ++i) digests.push_back(digest("nobody's " + std::to_string(i)));
  for (const auto* text : {"mine", "theirs", "m", "n"}) digests.push_back(digest(text));

  const auto known = m_catalog->known("a", digests).value();

  const auto& mine = known.at(digest("mine"));
  EXPECT_TRUE(mine.is_member && !mine.is_manifest && mine.holder == "a");
  EXPECT_EQ(mine.blob->size, 4U);
  const auto& theirs = known.at(digest("theirs"));
  EXPECT_TRUE(!theirs.is_member && theirs.blob && theirs.holder == "b");
  EXPECT_TRUE(known.at(digest("m")).is_manifest);
  EXPECT_FALSE(known.at(digest("n")).is_manifest);
  EXPECT_FALSE(known.contains(digest("nobody's 7")));
  EXPECT_FALSE(m_catalog->known("absent", digests)->at(digest("mine")).is_member);
  EXPECT_TRUE(m_catalog->known("a", {})->empty());
}

TEST_P(CatalogBatches, AreEnteredInOneWrite) {
  add_blob("b", "theirs");
  const std::vector<BatchedBlob> blobs{fresh("one"), fresh("two"), {.digest = digest("theirs"), .location = {}}};
  ASSERT_TRUE(m_catalog->commit_blobs("a", blobs, "store"));
  for (const auto* text : {"one", "two", "theirs"}) EXPECT_TRUE(m_catalog->find_blob("a", digest(text))) << text;
  EXPECT_EQ(m_catalog->find_blob("a", digest("two"))->location.key, "packs/p");
}

TEST_P(CatalogBatches, AreEnteredAllOrNone) {
  const std::vector<BatchedBlob> blobs{fresh("one"), {.digest = digest("absent"), .location = {}}};
  EXPECT_EQ(m_catalog->commit_blobs("a", blobs, "store").error().failure, Failure::not_found);
  EXPECT_FALSE(m_catalog->find_blob("a", digest("one")));
  EXPECT_FALSE(m_catalog->has_repository("a").value());
}

TEST_P(CatalogBatches, ReplaceWhatIsLost) {
  add_blob("a", "one");
  auto again = fresh("one");
  ASSERT_TRUE(m_catalog->commit_blobs("a", std::vector{again}, "store"));
  EXPECT_NE(m_catalog->find_blob("a", digest("one"))->location.id, again.location->id);  // what there was stays
  again = fresh("one");
  again.replace = true;
  ASSERT_TRUE(m_catalog->commit_blobs("a", std::vector{again}, "store"));
  EXPECT_EQ(m_catalog->find_blob("a", digest("one"))->location.id, again.location->id);
}

TEST_P(CatalogBatches, AreMountedFromWhoHasThem) {
  const std::vector<std::pair<Digest, std::string>> blobs{
      {add_blob("b", "one"), "b"}, {add_blob("c", "two"), "c"}, {digest("two"), "b"}, {digest("absent"), "b"}};
  ASSERT_TRUE(m_catalog->mount_blobs("a", blobs));
  EXPECT_TRUE(m_catalog->find_blob("a", digest("one")));
  EXPECT_TRUE(m_catalog->find_blob("a", digest("two")));
  ASSERT_TRUE(m_catalog->mount_blobs("d", std::vector{blobs[2]}));
  EXPECT_FALSE(m_catalog->find_blob("d", digest("two")));
}

}  // namespace
}  // namespace slipway::catalog
