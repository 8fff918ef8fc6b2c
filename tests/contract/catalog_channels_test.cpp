// Tags that are moved with conditions, promoted and rolled back.

#include "catalog_contract.hpp"

namespace slipway::catalog {
namespace {

class CatalogChannels : public CatalogContract {
protected:
  /// Where the tag points after it was moved so, or the failure.
  std::string promote(const std::string& from, const std::string& to) {
    const auto moved = m_catalog->promote_tag("a", from, to, "bob");
    return moved ? tag("a", to) : text_of(moved.error());
  }
  std::string roll_back(const std::optional<Digest>& to = {}) {
    const auto moved = m_catalog->roll_back_tag("a", "live", to, "bob");
    return moved ? tag("a", "live") : text_of(moved.error());
  }
  /// Puts a manifest at `live` if that is at `expected`.
  Catalog::PutOutcome put_if(const std::string& bytes, const std::optional<Digest>& expected) {
    return m_catalog
        ->put_manifest("a", manifest(bytes), {"live"}, "alice", true,
                       [&](const std::optional<Digest>& now) { return now == expected; })
        .value();
  }
  std::vector<std::string> history() {
    std::vector<std::string> out;
    const auto moves = m_catalog->tag_history("a", "live", 100).value();
    for (const auto& move : moves)
      out.push_back(std::string(name_of(move.event)) + " " + name(move.from) + " " + name(move.digest));
    return out;
  }

private:
  static std::string name(const std::optional<std::string>& digest) {
    for (const auto* bytes : {"m1", "m2", "m3"})
      if (digest == digest_of(as_bytes(std::string_view(bytes))).text()) return bytes;
    return digest ? "?" : "-";
  }
};

INSTANTIATE_FOR_DATABASES(CatalogChannels);

TEST_P(CatalogChannels, MoveOnlyFromWhereTheyAreExpected) {
  EXPECT_TRUE(put_if("m1", std::nullopt).put);
  const auto second = put_if("m2", std::nullopt);
  EXPECT_FALSE(second.put);
  EXPECT_EQ(second.elsewhere, "live");
  EXPECT_EQ(tag("a", "live"), "m1");
  EXPECT_EQ(manifest_at("a", digest_of(as_bytes("m2"))), "(not_found)");  // nothing of it was put
  EXPECT_TRUE(put_if("m2", digest_of(as_bytes("m1"))).put);
  EXPECT_EQ(tag("a", "live"), "m2");
}

TEST_P(CatalogChannels, AnExpectationThatFailsMakesNoRepository) {
  EXPECT_FALSE(put_if("m1", digest_of(as_bytes("m2"))).put);
  EXPECT_FALSE(m_catalog->has_repository("a").value());
}

TEST_P(CatalogChannels, ArePromoted) {
  put("a", manifest("m1"), {"staging"});
  EXPECT_EQ(promote("staging", "live"), "m1");
  put("a", manifest("m2"), {"staging"});
  EXPECT_EQ(tag("a", "live"), "m1");
  EXPECT_EQ(promote("staging", "live"), "m2");
  const auto again = m_catalog->promote_tag("a", "staging", "live", "bob").value();
  EXPECT_FALSE(again.is_new());
  EXPECT_EQ(history(), (std::vector<std::string>{"promote m1 m2", "promote - m1"}));
  EXPECT_EQ(m_catalog->tag_history("a", "live", 1)->front().who, "bob");
}

TEST_P(CatalogChannels, ArePromotedFromWhatIsThere) {
  EXPECT_EQ(promote("staging", "live"), "(not_found)");
  put("a", manifest("m1"), {"live"});
  EXPECT_EQ(promote("staging", "live"), "(not_found)");
  EXPECT_EQ(tag("a", "live"), "m1");
}

TEST_P(CatalogChannels, GoBackStepByStep) {
  for (const auto* bytes : {"m1", "m2", "m3"}) put("a", manifest(bytes), {"live"});
  EXPECT_EQ(roll_back(), "m2");
  EXPECT_EQ(roll_back(), "m1");
  EXPECT_EQ(roll_back(), "(conflict)");
  EXPECT_EQ(tag("a", "live"), "m1");
  put("a", manifest("m3"), {"live"});
  EXPECT_EQ(roll_back(), "m1");  // what was rolled back is not gone back to
  EXPECT_EQ(history().front(), "rollback m3 m1");
}

TEST_P(CatalogChannels, GoBackPastPushesOfTheSame) {
  put("a", manifest("m1"), {"live"});
  put("a", manifest("m2"), {"live"});
  put("a", manifest("m2"), {"live"});
  EXPECT_EQ(roll_back(), "m1");
}

TEST_P(CatalogChannels, GoBackToAnySnapshotThatIsThere) {
  for (const auto* bytes : {"m1", "m2", "m3"}) put("a", manifest(bytes), {"live"});
  EXPECT_EQ(roll_back(digest_of(as_bytes("m1"))), "m1");
  EXPECT_EQ(roll_back(digest_of(as_bytes("absent"))), "(not_found)");
  EXPECT_EQ(tag("a", "live"), "m1");
}

TEST_P(CatalogChannels, DoNotGoBackToWhatWasRemoved) {
  const auto first = put("a", manifest("m1"), {"live"});
  put("a", manifest("m2"), {"live"});
  ASSERT_TRUE(m_catalog->remove_manifest("a", first, "alice"));
  EXPECT_EQ(roll_back(), "(not_found)");
  EXPECT_EQ(tag("a", "live"), "m2");
}

TEST_P(CatalogChannels, AreNotBroughtBackFromTheDead) {
  EXPECT_EQ(roll_back(), "(not_found)");
  put("a", manifest("m1"), {"live"});
  ASSERT_TRUE(m_catalog->remove_tag("a", "live", "alice"));
  EXPECT_EQ(roll_back(), "(not_found)");
  EXPECT_EQ(history(), (std::vector<std::string>{"delete m1 -", "push - m1"}));
}

}  // namespace
}  // namespace slipway::catalog
