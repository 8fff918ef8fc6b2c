// What a repository keeps for good.

#include "catalog_contract.hpp"

namespace slipway::catalog {
namespace {

class CatalogPins : public CatalogContract {
protected:
  static Digest digest(const std::string& text) { return digest_of(as_bytes(text)); }
};

INSTANTIATE_FOR_DATABASES(CatalogPins);

TEST_P(CatalogPins, AreFoundUnderEachName) {
  add_blob("a", "source");
  EXPECT_TRUE(m_catalog->pin_blob("a", digest("source"), {"md5=1", "sha256=2"})->empty());
  for (const auto* name : {"md5=1", "sha256=2"}) {
    const auto found = m_catalog->find_pin("a", name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->digest, digest("source"));
    EXPECT_EQ(found->blob.size, 6U);
  }
  EXPECT_EQ(m_catalog->find_pin("a", "md5=2").error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->find_pin("b", "md5=1").error().failure, Failure::not_found);
  const std::vector<std::string> asked{"sha256=2", "x", "md5=1"};
  EXPECT_EQ(m_catalog->pinned("a", asked).value(), (std::set<std::string>{"md5=1", "sha256=2"}));
  EXPECT_TRUE(m_catalog->pinned("b", asked)->empty());
  EXPECT_TRUE(m_catalog->pinned("a", {})->empty());
  EXPECT_EQ(m_catalog->pin_totals("a")->blobs, 1U);
  EXPECT_EQ(m_catalog->pin_totals("a")->bytes, 6U);
  EXPECT_EQ(m_catalog->pin_totals("b")->blobs, 0U);
}

TEST_P(CatalogPins, StayWithTheFirst) {
  add_blob("a", "one");
  add_blob("a", "other");
  ASSERT_TRUE(m_catalog->pin_blob("a", digest("one"), {"md5=1"}));
  EXPECT_TRUE(m_catalog->pin_blob("a", digest("one"), {"md5=1"})->empty());
  EXPECT_EQ(m_catalog->pin_blob("a", digest("other"), {"md5=1", "md5=2"}).value(), std::vector<std::string>{"md5=1"});
  EXPECT_EQ(m_catalog->find_pin("a", "md5=1")->digest, digest("one"));
  EXPECT_EQ(m_catalog->find_pin("a", "md5=2")->digest, digest("other"));
}

TEST_P(CatalogPins, AreOfBlobsThatTheRepositoryHas) {
  add_blob("b", "theirs");
  EXPECT_EQ(m_catalog->pin_blob("a", digest("theirs"), {"x"}).error().failure, Failure::not_found);
  add_blob("a", "mine");
  EXPECT_EQ(m_catalog->pin_blob("a", digest("theirs"), {"x"}).error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->pin_blob("a", digest("nobody's"), {"x"}).error().failure, Failure::not_found);
}

TEST_P(CatalogPins, KeepTheirBlobAsLongAsTheirRepository) {
  add_blob("a", "source");
  ASSERT_TRUE(m_catalog->pin_blob("a", digest("source"), {"x"}));
  EXPECT_EQ(m_catalog->remove_blob("a", digest("source")).error().failure, Failure::denied);
  EXPECT_TRUE(m_catalog->find_blob("a", digest("source")));
  ASSERT_TRUE(m_catalog->remove_repository("a", "me"));
  EXPECT_EQ(m_catalog->find_pin("a", "x").error().failure, Failure::not_found);
}

}  // namespace
}  // namespace slipway::catalog
