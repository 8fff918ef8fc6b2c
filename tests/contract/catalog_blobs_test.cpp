// What the catalog promises about blobs and where they lie.

#include "catalog_contract.hpp"

#include <algorithm>
#include <set>
#include <thread>

namespace slipway::catalog {
namespace {

class CatalogBlobs : public CatalogContract {
protected:
  std::vector<std::string> queued() {
    std::vector<std::string> out;
    const auto deletions = m_catalog->deletions({}, 1000).value();
    for (const auto& location : deletions) out.push_back(location.key);
    return out;
  }

  /// Keys of all locations that the catalog knows.
  std::vector<std::string> locations() {
    std::vector<std::string> out;
    EXPECT_TRUE(m_catalog->for_each_location([&](const StoredBlob& blob, const Digest&) -> Result<> {
      out.push_back(blob.location.key);
      return {};
    }));
    return out;
  }
};
INSTANTIATE_FOR_DATABASES(CatalogBlobs);

TEST_P(CatalogBlobs, AreFoundInTheRepositoryThatHasThem) {
  const auto digest = digest_of(as_bytes("hello"));
  EXPECT_EQ(blob_at("a", digest), "(not_found)");
  EXPECT_EQ(m_catalog->find_blob_anywhere(digest).error().failure, Failure::not_found);
  const auto location = location_for("hello");
  const auto kept = m_catalog->commit_blob("a", {digest}, location, "store", {}, false);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->size, 5U);
  EXPECT_EQ(kept->location.id, location.id);
  const auto found = m_catalog->find_blob("a", digest);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, kept->id);
  EXPECT_EQ(found->size, 5U);
  EXPECT_EQ(found->location.id, location.id);
  EXPECT_EQ(found->location.key, location.key);
  EXPECT_EQ(found->location.range, (ByteRange{0, 5}));
  EXPECT_EQ(blob_at("b", digest), "(not_found)");
  EXPECT_EQ(m_catalog->find_blob_anywhere(digest)->id, kept->id);
  reopen();
  EXPECT_EQ(blob_at("a", digest), location.key);
}

TEST_P(CatalogBlobs, AreFoundByEveryDigestTheyCameWith) {
  const auto sha256 = digest_of(as_bytes("x"));
  const auto sha512 = digest_of(as_bytes("x"), Algorithm::sha512);
  const auto location = location_for("x");
  ASSERT_TRUE(m_catalog->commit_blob("a", {sha256, sha512}, location, "store", {}, false));
  EXPECT_EQ(blob_at("a", sha256), location.key);
  EXPECT_EQ(blob_at("a", sha512), location.key);
  ASSERT_TRUE(m_catalog->remove_blob("a", sha512));
  EXPECT_EQ(blob_at("a", sha256), "(not_found)");
  EXPECT_EQ(blob_at("a", sha512), "(not_found)");
}

TEST_P(CatalogBlobs, LearnANewDigestOfKnownContent) {
  const auto sha256 = add_blob("a", "x");
  const auto sha512 = digest_of(as_bytes("x"), Algorithm::sha512);
  const auto first = blob_at("a", sha256);
  ASSERT_TRUE(m_catalog->commit_blob("b", {sha256, sha512}, location_for("x"), "store", {}, false));
  EXPECT_EQ(blob_at("a", sha512), first);
  EXPECT_EQ(blob_at("b", sha512), first);
}

TEST_P(CatalogBlobs, KeepTheFirstLocationOfTheSameContent) {
  const auto digest = add_blob("a", "x");
  const auto first = blob_at("a", digest);
  const auto second = location_for("x");
  const auto kept = m_catalog->commit_blob("b", {digest}, second, "store", {}, false);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->location.key, first);
  EXPECT_EQ(blob_at("b", digest), first);
  EXPECT_EQ(queued(), std::vector{second.key});
  ASSERT_TRUE(m_catalog->forget_deletion(second.id));
  EXPECT_TRUE(queued().empty());
  EXPECT_TRUE(m_catalog->forget_deletion(second.id));
}

TEST_P(CatalogBlobs, AreHealedByAReplacement) {
  const auto digest = add_blob("a", "x");
  const auto lost = blob_at("a", digest);  // now remembered
  const auto fresh = location_for("x");
  const auto kept = m_catalog->commit_blob("b", {digest}, fresh, "store", {}, true);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->location.key, fresh.key);
  EXPECT_EQ(blob_at("a", digest), fresh.key);
  EXPECT_EQ(blob_at("b", digest), fresh.key);
  EXPECT_EQ(queued(), std::vector{lost});
  EXPECT_EQ(locations(), std::vector{fresh.key});
}

TEST_P(CatalogBlobs, ReplaceNothingWhereNothingWas) {
  const auto location = location_for("x");
  const auto digest = digest_of(as_bytes("x"));
  ASSERT_TRUE(m_catalog->commit_blob("a", {digest}, location, "store", {}, true));
  EXPECT_EQ(blob_at("a", digest), location.key);
  EXPECT_TRUE(queued().empty());
}

TEST_P(CatalogBlobs, PushedAtOnceBySeveralAreOneBlob) {
  const auto digest = digest_of(as_bytes("same"));
  std::array<std::optional<StoredBlob>, 8> kept;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kept.size(); ++i)
    threads.emplace_back([&, i] {
      const auto result =
          m_catalog->commit_blob("r" + std::to_string(i), {digest}, location_for("same"), "store", {}, false);
      if (result) kept[i] = *result;
    });
  for (auto& thread : threads) thread.join();
  for (const auto& blob : kept) {
    ASSERT_TRUE(blob);
    EXPECT_EQ(blob->id, kept[0]->id);
    EXPECT_EQ(blob->location.key, kept[0]->location.key);
  }
  EXPECT_EQ(locations(), std::vector{kept[0]->location.key});
  const auto unwanted = queued();
  EXPECT_EQ(std::set<std::string>(unwanted.begin(), unwanted.end()).size(), kept.size() - 1);
  EXPECT_EQ(std::ranges::count(unwanted, kept[0]->location.key), 0);
}

TEST_P(CatalogBlobs, AreMountedFromARepositoryThatHasThem) {
  const auto digest = add_blob("a", "x");
  EXPECT_EQ(m_catalog->mount_blob("c", "b", digest).error().failure, Failure::not_found);
  EXPECT_FALSE(m_catalog->has_repository("c").value());
  const auto mounted = m_catalog->mount_blob("b", "a", digest);
  ASSERT_TRUE(mounted);
  EXPECT_EQ(blob_at("b", digest), blob_at("a", digest));
  EXPECT_TRUE(m_catalog->mount_blob("b", "a", digest));  // again is no error
  EXPECT_EQ(m_catalog->mount_blob("b", "a", digest_of({})).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->repository("b")->blobs, 1U);
}

TEST_P(CatalogBlobs, AreAdoptedFromAnywhere) {
  const auto digest = add_blob("a", "x");
  EXPECT_EQ(blob_at("b", digest), "(not_found)");
  ASSERT_TRUE(m_catalog->adopt_blob("b", digest, {}));
  EXPECT_EQ(blob_at("b", digest), blob_at("a", digest));
  EXPECT_EQ(m_catalog->adopt_blob("b", digest_of({}), {}).error().failure, Failure::not_found);
}

TEST_P(CatalogBlobs, AreTakenFromOneRepositoryAlone) {
  const auto digest = add_blob("a", "x");
  ASSERT_TRUE(m_catalog->adopt_blob("b", digest, {}));
  EXPECT_NE(blob_at("a", digest), "(not_found)");
  ASSERT_TRUE(m_catalog->remove_blob("a", digest));
  EXPECT_EQ(blob_at("a", digest), "(not_found)");
  EXPECT_NE(blob_at("b", digest), "(not_found)");
  EXPECT_EQ(m_catalog->remove_blob("a", digest).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->remove_blob("absent", digest).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->remove_blob("a", digest_of({})).error().failure, Failure::not_found);
  ASSERT_TRUE(m_catalog->adopt_blob("a", digest, {}));
  EXPECT_NE(blob_at("a", digest), "(not_found)");
}

TEST_P(CatalogBlobs, EndTheUploadTheyCameBy) {
  const auto upload = m_catalog->begin_upload("a", "alice", 10).value();
  ASSERT_TRUE(m_catalog->commit_blob("a", {digest_of({})}, location_for(""), "store", upload.claim(), false));
  EXPECT_EQ(m_catalog->find_upload("a", upload.id).error().failure, Failure::not_found);
}

TEST_P(CatalogBlobs, AreWalkedInOrderWhateverTheirNumber) {
  std::vector<std::string> expected;
  ASSERT_TRUE(m_database->write([&](sql::Session& session) -> Result<> {
    for (std::int64_t i = 1; i <= 2500; ++i) {  // more than two pages, in one transaction for speed
      session.run("INSERT INTO blob (id, size, created_at) VALUES ($1, 1, 0)", {i});
      session.run(
          "INSERT INTO location (id, blob, store, kind, key, \"offset\", length, state) VALUES ($1, $2, 's', 1, "
          "'k', 0, 1, 1)",
          {i * 7, i});
      session.run("INSERT INTO digest (algorithm, value, blob) VALUES (1, $1, $2)",
                  {digest_of(as_bytes(std::to_string(i))).value(), i});
    }
    return {};
  }));
  std::vector<std::uint64_t> ids;
  ASSERT_TRUE(m_catalog->for_each_location([&](const StoredBlob& blob, const Digest&) -> Result<> {
    ids.push_back(number_of(blob.location.id));
    return {};
  }));
  EXPECT_EQ(ids.size(), 2500U);
  EXPECT_TRUE(std::ranges::is_sorted(ids));
}

TEST_P(CatalogBlobs, AreKnownByWhoHasThem) {
  const auto digest = add_blob("a", "shared");
  add_blob("b", "shared");
  add_blob("c", "other");
  auto holders = m_catalog->holders(digest, 10).value();
  std::ranges::sort(holders);
  EXPECT_EQ(holders, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(m_catalog->holders(digest, 1)->size(), 1U);
  ASSERT_TRUE(m_catalog->remove_blob("a", digest));
  EXPECT_EQ(m_catalog->holders(digest, 10).value(), std::vector<std::string>{"b"});
  EXPECT_TRUE(m_catalog->holders(digest_of(as_bytes("unknown")), 10)->empty());
}

TEST_P(CatalogBlobs, WaitForDeletionInPages) {
  for (int i = 0; i < 5; ++i) {
    const auto text = std::to_string(i);
    add_blob("a", text);
    add_blob("b", text);
  }
  const auto page = m_catalog->deletions({}, 3).value();
  ASSERT_EQ(page.size(), 3U);
  EXPECT_EQ(m_catalog->deletions(page.back().id, 3)->size(), 2U);
  const auto waiting = m_catalog->deletions({}, 100).value();
  for (const auto& location : waiting) EXPECT_TRUE(m_catalog->forget_deletion(location.id));
  EXPECT_TRUE(queued().empty());
}

TEST_P(CatalogBlobs, CommittedWhileOthersReadAreNeverHalfThere) {
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done)
      for (int i = 0; i < 20; ++i) {
        const auto text = std::to_string(i);
        const auto found = m_catalog->find_blob("a", digest_of(as_bytes(text)));
        if (found) {
          EXPECT_EQ(found->size, text.size());
          EXPECT_FALSE(found->location.key.empty());
        } else {
          EXPECT_EQ(found.error().failure, Failure::not_found);
        }
      }
  });
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 20; ++i) {
      const auto digest = add_blob("a", std::to_string(i));
      EXPECT_NE(blob_at("a", digest), "(not_found)");
      EXPECT_TRUE(m_catalog->remove_blob("a", digest));
      EXPECT_EQ(blob_at("a", digest), "(not_found)");
    }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace slipway::catalog
