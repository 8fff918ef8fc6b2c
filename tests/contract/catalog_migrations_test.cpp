// A catalog of every earlier version opens with this binary, and keeps what it knew.

#include "catalog/schema.hpp"
#include "catalog_contract.hpp"

#include <algorithm>

namespace slipway::catalog {
namespace {

class CatalogMigrations : public testing::TestWithParam<sql::DatabaseKind> {
protected:
  /// A database as a binary that knew `version` left it.
  void make(int version, std::initializer_list<const char*> rows) {
    ASSERT_TRUE(m_database->write([&](sql::Session& session) -> Result<> {
      const auto& schema = schema_of(m_database->dialect());
      TRY(session.script(schema.ledger));
      for (const auto& migration : schema.migrations) {
        if (migration.version > version) break;
        TRY(session.script(migration.script));
        session.run("INSERT INTO migration (version, oldest_reader, applied_at) VALUES ($1, $2, 0)",
                    {std::int64_t{migration.version}, std::int64_t{migration.oldest_reader}});
      }
      for (const auto* row : rows) TRY(session.script(row));
      return {};
    }));
  }

  std::unique_ptr<sql::DatabaseGround> m_ground = GetParam().make();
  test::ManualClock m_clock;
  std::unique_ptr<sql::Database> m_database = m_ground->open();
};
INSTANTIATE_FOR_DATABASES(CatalogMigrations);

TEST_P(CatalogMigrations, FindReferrersThatWerePushedBeforeTheyWereIndexed) {
  if (m_database->dialect() != sql::Dialect::sqlite) GTEST_SKIP() << "it had indexed referrers from the first";
  const auto subject = digest_of(as_bytes("subject"));
  const auto referrer = digest_of(as_bytes("referrer"));
  const auto digest_row = [](int id, const Digest& digest, const char* manifest) {
    return "INSERT INTO digest VALUES (" + std::to_string(id) + ", 1, x'" + to_hex(digest.value()) + "', NULL, " +
           manifest + ")";
  };
  const auto names = digest_row(1, subject, "NULL");
  const auto named = digest_row(2, referrer, "1");
  make(1, {"INSERT INTO repository VALUES (1, 'a', 'oci', 0)", names.c_str(),
           "INSERT INTO manifest VALUES (1, CAST('referrer' AS BLOB), 'application/sig', 1, NULL, 0)", named.c_str(),
           "INSERT INTO repository_manifest VALUES (1, 1, 'application/m', 0, 'alice')",
           "INSERT INTO upload VALUES ('u', 1, 7, 0, x'', 0, 0, 0, 'alice')"});
  const auto catalog = Catalog::open(*m_database, m_clock);
  ASSERT_TRUE(catalog) << catalog.error().message;
  const auto page = (*catalog)->referrers("a", subject, "application/sig", 0, {10, 1U << 20}).value();
  ASSERT_EQ(page.referrers.size(), 1U);
  EXPECT_EQ(page.referrers[0].digest, referrer);
  EXPECT_EQ((*catalog)->find_upload("a", "u")->algorithm, Algorithm::sha256);
  EXPECT_EQ((*catalog)->schema_version(), newest_schema());
}

TEST_P(CatalogMigrations, LeadToTheSameVersionEverywhere) {
  const auto migrations = schema_of(m_database->dialect()).migrations;
  EXPECT_EQ(migrations.back().version, newest_schema());
  EXPECT_TRUE(std::ranges::is_sorted(migrations, std::ranges::less_equal(), &Migration::version));
}

TEST_P(CatalogMigrations, AreDoneOnce) {
  make(schema_of(m_database->dialect()).migrations.front().version, {});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(Catalog::open(*m_database, m_clock));
}

}  // namespace
}  // namespace slipway::catalog
