// What the catalog knows of packs: how much of each is wanted, and that nothing is put into one that goes.

#include "catalog_contract.hpp"

namespace slipway::catalog {
namespace {

class CatalogPacks : public CatalogContract {
protected:
  /// Where small bytes lie in a pack.
  blob::Location packed(const std::string& pack, std::string_view text) {
    return {m_catalog->next_location().value(), blob::LocationKind::pack, pack, {100, text.size()}};
  }

  Result<StoredBlob> add(const std::string& pack, std::string_view text, bool replace = false) {
    return m_catalog->commit_blob("a", {digest_of(as_bytes(text))}, packed(pack, text), "store", {}, replace);
  }

  /// "pack blobs/bytes", a line each.
  std::string packs() {
    std::string out;
    const auto all = m_catalog->packs_below(1U << 30, 100).value();
    for (const auto& pack : all)
      out += pack.key + " " + std::to_string(pack.blobs) + "/" + std::to_string(pack.bytes) + "\n";
    return out;
  }

  std::string pack_of(std::string_view text) {
    return m_catalog->find_blob("a", digest_of(as_bytes(text)))->location.key;
  }
};

TEST_P(CatalogPacks, AreKnownOnceTheyAreAnnounced) {
  const std::vector<blob::Location> object{{blob::LocationId{}, blob::LocationKind::old_pack, "p", {0, 100}}};
  EXPECT_EQ(m_catalog->unknown(object)->size(), 1U);
  ASSERT_TRUE(m_catalog->announce_pack("p"));
  EXPECT_TRUE(m_catalog->unknown(object)->empty());
  EXPECT_TRUE(m_catalog->packs_below(100, 10)->empty());
  EXPECT_FALSE(m_catalog->condemn_pack("p").value());  // something may be entered any moment
  ASSERT_TRUE(add("p", "x"));
  EXPECT_EQ(m_catalog->packs_below(100, 10)->size(), 1U);

  ASSERT_TRUE(m_catalog->announce_pack("never put"));
  m_clock.advance(std::chrono::minutes(61));
  EXPECT_EQ(m_catalog->packs_below(100, 10)->size(), 2U);
  EXPECT_TRUE(m_catalog->condemn_pack("never put").value());
  EXPECT_EQ(add("never put", "y").error().failure, Failure::busy);
}

TEST_P(CatalogPacks, CountWhatIsWanted) {
  ASSERT_TRUE(add("p", "one"));
  ASSERT_TRUE(add("p", "three"));
  ASSERT_TRUE(add("q", "x"));
  EXPECT_EQ(packs(), "q 1/1\np 2/8\n");
  ASSERT_TRUE(add("q", "one"));  // known already: its copy is a hole
  EXPECT_EQ(packs(), "q 1/1\np 2/8\n");
  EXPECT_TRUE(m_catalog->deletions({}, 10)->empty());
  ASSERT_TRUE(add("q", "three", true));  // was lost
  EXPECT_EQ(packs(), "p 1/3\nq 2/6\n");
  EXPECT_EQ(pack_of("three"), "q");
  EXPECT_EQ(m_catalog->packs_below(6, 100)->size(), 1U);
  EXPECT_EQ(m_catalog->packs_below(7, 1)->size(), 1U);
}

TEST_P(CatalogPacks, CountWhatCachesGiveBack) {
  const auto digest = digest_of(as_bytes("entry"));
  ASSERT_TRUE(m_catalog->commit_entry("cache", "k", {digest}, packed("p", "entry"), "store", false));
  EXPECT_EQ(packs(), "p 1/5\n");
  const auto unwanted = m_catalog->remove_entry("cache", "k");
  ASSERT_TRUE(unwanted);
  EXPECT_TRUE(unwanted->empty());  // nothing can be removed at once
  EXPECT_EQ(packs(), "p 0/0\n");
}

TEST_P(CatalogPacks, ListTheirBlobsInPages) {
  for (const auto* text : {"a", "bb", "ccc"}) ASSERT_TRUE(add("p", text));
  ASSERT_TRUE(add("q", "dddd"));
  const auto first = m_catalog->blobs_in_pack("p", {}, 2).value();
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first.at(1).digest, digest_of(as_bytes("bb")));
  EXPECT_EQ(first.at(1).location.range, (ByteRange{100, 2}));
  const auto rest = m_catalog->blobs_in_pack("p", first.back().location.id, 2).value();
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest.front().digest, digest_of(as_bytes("ccc")));
}

TEST_P(CatalogPacks, MoveWhatIsStillThere) {
  const auto moved = add("p", "moved")->location;
  const auto healed = add("p", "healed")->location;
  ASSERT_TRUE(add("q", "healed", true));
  const auto to = packed("r", "moved");
  ASSERT_TRUE(m_catalog->move_locations({{moved.id, to}, {healed.id, packed("r", "healed")}}, "store"));
  EXPECT_EQ(packs(), "p 0/0\nr 1/5\nq 1/6\n");
  ASSERT_TRUE(m_catalog->condemn_pack("p").value());
  EXPECT_EQ(m_catalog->find_blob("a", digest_of(as_bytes("moved")))->location.id, to.id);
  EXPECT_EQ(pack_of("healed"), "q");
  ASSERT_TRUE(
      m_catalog->move_locations({{moved.id, packed("s", "moved")}}, "store"));  // once more, after a lost answer
  EXPECT_EQ(pack_of("moved"), "r");
}

TEST_P(CatalogPacks, GoThroughTheDeletionQueueOnceEmpty) {
  const auto location = add("p", "x")->location;
  EXPECT_FALSE(m_catalog->condemn_pack("p").value());
  EXPECT_FALSE(m_catalog->condemn_pack("absent").value());
  ASSERT_TRUE(m_catalog->move_locations({{location.id, packed("q", "x")}}, "store"));
  const auto old = m_catalog->condemn_pack("p").value();
  ASSERT_TRUE(old);
  EXPECT_EQ(old->kind, blob::LocationKind::old_pack);
  EXPECT_EQ(old->key, "p");
  EXPECT_TRUE(m_catalog->deletions({}, 10, 0)->empty());  // the journal does not know yet where its blobs are
  const auto queued = m_catalog->deletions({}, 10).value();
  ASSERT_EQ(queued.size(), 1U);
  EXPECT_EQ(queued.front().id, old->id);
  EXPECT_EQ(queued.front().key, "p");
  EXPECT_FALSE(m_catalog->condemn_pack("p").value());
  EXPECT_EQ(packs(), "q 1/1\n");
}

TEST_P(CatalogPacks, TakeNothingOnceTheyAreCondemned) {
  const auto entry = m_catalog->commit_entry("c", "k", {digest_of(as_bytes("x"))}, packed("p", "x"), "store", false);
  ASSERT_TRUE(entry);
  ASSERT_TRUE(m_catalog->remove_entry("c", "k"));
  const auto old = m_catalog->condemn_pack("p").value();
  ASSERT_TRUE(old);
  ASSERT_TRUE(m_catalog->forget_deletion(old->id));
  // Its bytes were put there long ago, and the commit comes only now.
  EXPECT_EQ(add("p", "late").error().failure, Failure::busy);
  EXPECT_FALSE(m_catalog->find_blob_anywhere(digest_of(as_bytes("late"))));
  m_clock.advance(std::chrono::hours(1));
  ASSERT_TRUE(m_catalog->forget_packs(m_clock.now() - std::chrono::hours(2)));
  EXPECT_EQ(add("p", "late").error().failure, Failure::busy);
  ASSERT_TRUE(m_catalog->forget_packs(m_clock.now()));
  EXPECT_TRUE(add("p", "late"));
}

TEST_P(CatalogPacks, AreKnown) {
  ASSERT_TRUE(add("p", "x"));
  const auto whole = [](const char* key) {
    return blob::Location{blob::LocationId{}, blob::LocationKind::old_pack, key, {}};
  };
  const auto unknown = m_catalog->unknown({whole("p"), whole("q")}).value();
  ASSERT_EQ(unknown.size(), 1U);
  EXPECT_EQ(unknown.front().key, "q");
}

INSTANTIATE_FOR_DATABASES(CatalogPacks);

}  // namespace
}  // namespace slipway::catalog
