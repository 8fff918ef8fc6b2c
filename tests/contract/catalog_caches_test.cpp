// What the catalog promises about plain HTTP caches.

#include "catalog_contract.hpp"

#include <algorithm>

namespace slipway::catalog {
namespace {

class CatalogCaches : public CatalogContract {
protected:
  Digest put_entry(const std::string& cache, const std::string& key, std::string_view text) {
    const auto digest = digest_of(as_bytes(text));
    const auto put = m_catalog->commit_entry(cache, key, {digest}, location_for(text), "store", false);
    EXPECT_TRUE(put) << put.error().message;
    m_clock.advance(std::chrono::seconds(1));
    return digest;
  }

  /// The digest under a key, or the failure in parentheses.
  std::string at(const std::string& cache, const std::string& key) {
    const auto found = m_catalog->find_entry(cache, key);
    return found ? found->digest.text() : text_of(found.error());
  }

  std::vector<std::string> keys(const std::string& cache, const std::vector<std::string>& asked) {
    std::vector<std::string> out;
    for (const auto& key : asked)
      if (m_catalog->find_entry(cache, key)) out.push_back(key);
    return out;
  }

  std::pair<std::uint64_t, std::uint64_t> usage(const std::string& cache) {
    const auto usage = m_catalog->cache_usage(cache).value();
    return {usage.entries, usage.bytes};
  }

  using Pair = std::pair<std::uint64_t, std::uint64_t>;
};
INSTANTIATE_FOR_DATABASES(CatalogCaches);

TEST_P(CatalogCaches, KeepBlobsByKey) {
  const auto digest = put_entry("c", "ab/cd", "result");
  EXPECT_EQ(at("c", "ab/cd"), digest.text());
  EXPECT_EQ(m_catalog->find_entry("c", "ab/cd")->blob.size, 6U);
  EXPECT_EQ(at("c", "other"), "(not_found)");
  EXPECT_EQ(at("d", "ab/cd"), "(not_found)");
  EXPECT_EQ(m_catalog->repository("c")->kind, "cas");
  EXPECT_NE(blob_at("c", digest), "(not_found)");  // a blob of the repository like any other
}

TEST_P(CatalogCaches, ReplaceWhatWasUnderAKey) {
  const auto old = put_entry("c", "k", "old");
  const auto fresh = put_entry("c", "k", "fresh");
  EXPECT_EQ(at("c", "k"), fresh.text());
  EXPECT_EQ(blob_at("c", old), "(not_found)");
  EXPECT_EQ(usage("c"), Pair(1, 5));
  put_entry("c", "k", "fresh");
  EXPECT_EQ(usage("c"), Pair(1, 5));
}

TEST_P(CatalogCaches, AdoptWhatTheStoreHolds) {
  const auto digest = add_blob("image", "shared");
  ASSERT_TRUE(m_catalog->adopt_entry("c", "k", digest));
  EXPECT_EQ(at("c", "k"), digest.text());
  EXPECT_EQ(m_catalog->adopt_entry("c", "k", digest_of({})).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->totals()->blobs, 1U);
}

TEST_P(CatalogCaches, CountWhatTheyHold) {
  EXPECT_EQ(usage("c"), Pair(0, 0));
  put_entry("c", "1", "12345");
  put_entry("c", "2", "12345");  // the same blob again: each entry counts
  put_entry("c", "3", "123");
  EXPECT_EQ(usage("c"), Pair(3, 13));
  ASSERT_TRUE(m_catalog->remove_entry("c", "1"));
  EXPECT_EQ(usage("c"), Pair(2, 8));
  EXPECT_EQ(at("c", "2"), digest_of(as_bytes("12345")).text());
  EXPECT_EQ(m_catalog->remove_entry("c", "1").error().failure, Failure::not_found);
}

TEST_P(CatalogCaches, EvictTheLeastRecentlyUsed) {
  for (const auto* key : {"1", "2", "3", "4"}) put_entry("c", key, std::string(10, *key));
  m_clock.advance(std::chrono::seconds(10));
  ASSERT_TRUE(m_catalog->record_uses({{"c", "1", m_clock.now()}, {"c", "gone", m_clock.now()}}));
  auto eviction = m_catalog->evict("c", 25, 100).value();
  EXPECT_EQ(eviction.entries, 2U);
  EXPECT_FALSE(eviction.more);
  EXPECT_EQ(keys("c", {"1", "2", "3", "4"}), (std::vector<std::string>{"1", "4"}));
  EXPECT_EQ(usage("c"), Pair(2, 20));
  EXPECT_EQ(m_catalog->evict("c", 25, 100)->entries, 0U);
  EXPECT_EQ(m_catalog->evict("unknown", 0, 100)->entries, 0U);
}

TEST_P(CatalogCaches, EvictInRounds) {
  for (int i = 0; i < 10; ++i) put_entry("c", std::to_string(i), "x" + std::to_string(i));
  EXPECT_TRUE(m_catalog->evict("c", 0, 4)->more);
  EXPECT_TRUE(m_catalog->evict("c", 0, 4)->more);
  const auto last = m_catalog->evict("c", 0, 4).value();
  EXPECT_EQ(last.entries, 2U);
  EXPECT_FALSE(last.more);
  EXPECT_EQ(usage("c"), Pair(0, 0));
}

TEST_P(CatalogCaches, FreeBytesThatNothingElseNames) {
  put_entry("c", "k", "alone");
  const auto location = m_catalog->find_entry("c", "k")->blob.location;
  const auto eviction = m_catalog->evict("c", 0, 100).value();
  ASSERT_EQ(eviction.unwanted.size(), 1U);
  EXPECT_EQ(eviction.unwanted[0].id, location.id);
  EXPECT_EQ(m_catalog->totals()->blobs, 0U);
  EXPECT_EQ(m_catalog->totals()->deletions, 1U);
  put_entry("c", "k", "alone");  // and is welcome again
  EXPECT_EQ(m_catalog->totals()->blobs, 1U);
}

TEST_P(CatalogCaches, FreeBytesThatAreReplacedOrRemoved) {
  put_entry("c", "k", "old");
  put_entry("c", "k", "fresh");
  EXPECT_EQ(m_catalog->totals()->blobs, 1U);
  EXPECT_EQ(m_catalog->totals()->deletions, 1U);
  put_entry("c", "k", "fresh");
  EXPECT_EQ(m_catalog->totals()->blobs, 1U);
  ASSERT_TRUE(m_catalog->remove_entry("c", "k"));
  EXPECT_EQ(m_catalog->totals()->blobs, 0U);
}

TEST_P(CatalogCaches, LeaveNoNameOfFreedBytes) {
  const auto digests = [this] {
    std::int64_t count = 0;
    EXPECT_TRUE(m_database->read(
        [&](sql::Session& session) { count = session.number("SELECT COUNT(*) FROM digest", {}).value(); }));
    return count;
  };
  put("image", manifest("m"), {"latest"});
  const auto before = digests();
  put_entry("c", "k", "alone");
  put_entry("c", "m", manifest("m").bytes);  // what is a manifest too keeps its name
  EXPECT_EQ(digests(), before + 1);
  ASSERT_TRUE(m_catalog->evict("c", 0, 100));
  EXPECT_EQ(digests(), before);
  EXPECT_TRUE(m_catalog->find_manifest("image", manifest("m").digest));
}

TEST_P(CatalogCaches, LeaveBytesThatOthersHave) {
  const auto member = add_blob("image", "member");
  const auto entry = put_entry("c", "elsewhere", "entry");
  put_entry("c", "1", "member");
  put_entry("d", "2", "entry");
  EXPECT_TRUE(m_catalog->evict("c", 0, 100)->unwanted.empty());
  EXPECT_NE(blob_at("image", member), "(not_found)");
  EXPECT_EQ(at("d", "2"), entry.text());
  EXPECT_EQ(blob_at("c", entry), "(not_found)");
}

TEST_P(CatalogCaches, LeaveBytesThatAManifestPointsAt) {
  const auto layer = add_blob("image", "layer");
  put("image", manifest("m", {{EdgeKind::layer, layer, "application/x", 5, false}}), {"latest"});
  put_entry("c", "k", "layer");
  ASSERT_TRUE(m_catalog->remove_blob("image", layer));
  EXPECT_TRUE(m_catalog->evict("c", 0, 100)->unwanted.empty());
}

TEST_P(CatalogCaches, AreNoImages) {
  put_entry("c", "k", "x");
  add_blob("image", "y");
  EXPECT_EQ(m_catalog->put_manifest("c", manifest("m"), {"latest"}, "alice", true).error().failure, Failure::conflict);
  EXPECT_EQ(m_catalog->begin_upload("c", "alice", 10).error().failure, Failure::conflict);
  EXPECT_EQ(m_catalog->adopt_entry("image", "k", digest_of(as_bytes("x"))).error().failure, Failure::conflict);
  EXPECT_EQ(m_catalog->remove_blob("c", digest_of(as_bytes("x"))).error().failure, Failure::not_found);
}

TEST_P(CatalogCaches, GoWithTheirRepository) {
  put_entry("c", "k", "x");
  ASSERT_TRUE(m_catalog->remove_repository("c", "alice"));
  EXPECT_EQ(at("c", "k"), "(not_found)");
  EXPECT_EQ(usage("c"), Pair(0, 0));
  put_entry("c", "k", "x");
  EXPECT_EQ(usage("c"), Pair(1, 1));
}

}  // namespace
}  // namespace slipway::catalog
