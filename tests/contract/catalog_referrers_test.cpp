// What the catalog promises about manifests that refer to another.

#include "catalog_contract.hpp"

namespace slipway::catalog {
namespace {

class CatalogReferrers : public CatalogContract {
protected:
  /// Puts a manifest whose subject is `subject`.
  Digest refer(const std::string& repository, const Digest& subject, const std::string& bytes,
               const std::optional<std::string>& artifact_type = std::nullopt,
               const std::optional<std::string>& annotations = std::nullopt) {
    auto referrer = manifest(bytes, {{EdgeKind::subject, subject, "application/x", 1, true}});
    referrer.artifact_type = artifact_type;
    referrer.annotations = annotations;
    return put(repository, referrer, {});
  }

  /// All of them, by pages of `count`.
  std::vector<Digest> listed(const std::string& repository, const Digest& subject,
                             const std::optional<std::string>& type = std::nullopt, std::size_t count = 1000) {
    std::vector<Digest> out;
    for (std::int64_t after = 0;;) {
      const auto page = m_catalog->referrers(repository, subject, type, after, {count, 1U << 20}).value();
      EXPECT_LE(page.referrers.size(), count);
      for (const auto& referrer : page.referrers) out.push_back(referrer.digest);
      if (!page.more) return out;
      after = page.referrers.back().position;
    }
  }

  const Digest m_subject = digest_of(as_bytes("subject"));
};
INSTANTIATE_FOR_DATABASES(CatalogReferrers);

TEST_P(CatalogReferrers, AreListedWithWhatTheListShows) {
  const auto digest = refer("a", m_subject, "signature", "application/sig", R"({"k":"v"})");
  const auto page = m_catalog->referrers("a", m_subject, std::nullopt, 0, {10, 1U << 20}).value();
  ASSERT_EQ(page.referrers.size(), 1U);
  EXPECT_FALSE(page.more);
  EXPECT_EQ(page.referrers[0].digest, digest);
  EXPECT_EQ(page.referrers[0].size, 9U);
  EXPECT_EQ(page.referrers[0].media_type, manifest("").media_type);
  EXPECT_EQ(page.referrers[0].artifact_type, "application/sig");
  EXPECT_EQ(page.referrers[0].annotations, R"({"k":"v"})");
}

TEST_P(CatalogReferrers, OfNobodyAreNone) {
  EXPECT_TRUE(listed("unknown", m_subject).empty());
  put("a", manifest("m"), {});
  EXPECT_TRUE(listed("a", m_subject).empty());
  EXPECT_TRUE(listed("a", manifest("m").digest).empty());
}

TEST_P(CatalogReferrers, AreThereWhetherTheirSubjectComesBeforeOrAfter) {
  const auto image = manifest("image");
  const auto before = refer("a", image.digest, "before");
  put("a", image, {"latest"});
  const auto after = refer("a", image.digest, "after");
  EXPECT_EQ(listed("a", image.digest), (std::vector{before, after}));
}

TEST_P(CatalogReferrers, BelongToTheirRepository) {
  const auto both = refer("a", m_subject, "both");
  refer("b", m_subject, "both");
  refer("b", m_subject, "only there");
  EXPECT_EQ(listed("a", m_subject), std::vector{both});
  EXPECT_EQ(listed("b", m_subject).size(), 2U);
}

TEST_P(CatalogReferrers, AreToldApartByType) {
  const auto one = refer("a", m_subject, "one", "application/one");
  const auto two = refer("a", m_subject, "two", "application/two");
  const auto none = refer("a", m_subject, "none");
  EXPECT_EQ(listed("a", m_subject, "application/one"), std::vector{one});
  EXPECT_EQ(listed("a", m_subject, "application/two"), std::vector{two});
  EXPECT_TRUE(listed("a", m_subject, "application/three").empty());
  EXPECT_EQ(listed("a", m_subject), (std::vector{one, two, none}));
}

TEST_P(CatalogReferrers, ComeInPagesThatMissNoneAndRepeatNone) {
  std::vector<Digest> all, odd;
  for (int i = 0; i < 25; ++i) {
    all.push_back(refer("a", m_subject, "m" + std::to_string(i), i % 2 ? "odd" : "even"));
    if (i % 2) odd.push_back(all.back());
    refer("other", m_subject, "m" + std::to_string(i));
  }
  for (const std::size_t count : {1U, 2U, 5U, 12U, 24U, 25U, 26U}) {
    EXPECT_EQ(listed("a", m_subject, std::nullopt, count), all) << count;
    EXPECT_EQ(listed("a", m_subject, "odd", count), odd) << count;
  }
}

TEST_P(CatalogReferrers, EndAPageWhereItsBytesAreFull) {
  const auto large = R"({"k":")" + std::string(50'000, 'x') + R"("})";
  for (int i = 0; i < 5; ++i) refer("a", m_subject, std::to_string(i), std::nullopt, large);
  const auto page = [&](std::size_t bytes) {
    return m_catalog->referrers("a", m_subject, std::nullopt, 0, {100, bytes}).value();
  };
  EXPECT_EQ(page(120'000).referrers.size(), 2U);
  EXPECT_TRUE(page(120'000).more);
  EXPECT_EQ(page(1).referrers.size(), 1U);  // else nobody would ever get further
  EXPECT_EQ(page(1U << 20).referrers.size(), 5U);
}

TEST_P(CatalogReferrers, GoWithTheirManifestAndTheirRepository) {
  const auto digest = refer("a", m_subject, "signature");
  const auto kept = refer("a", m_subject, "kept");
  ASSERT_TRUE(m_catalog->remove_manifest("a", digest, "alice"));
  EXPECT_EQ(listed("a", m_subject), std::vector{kept});
  ASSERT_TRUE(m_catalog->remove_repository("a", "alice"));
  EXPECT_TRUE(listed("a", m_subject).empty());
  refer("a", m_subject, "signature");
  EXPECT_EQ(listed("a", m_subject), std::vector{digest});
}

TEST_P(CatalogReferrers, OfAnotherAlgorithmsNameAreOthers) {
  const auto longer = digest_of(as_bytes("subject"), Algorithm::sha512);
  const auto digest = refer("a", longer, "signature");
  EXPECT_EQ(listed("a", longer), std::vector{digest});
  EXPECT_TRUE(listed("a", m_subject).empty());
}

}  // namespace
}  // namespace slipway::catalog
