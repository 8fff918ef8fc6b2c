// Several catalogs on one database, as replicas of a server have them, and one that is made of a journal.

#include "catalog/catalog.hpp"
#include "catalog/journal.hpp"
#include "catalog/rebuild.hpp"
#include "catalog/schema.hpp"
#include "postgres_place.hpp"
#include "support/manual_clock.hpp"

#include <gtest/gtest.h>
#include <set>
#include <thread>

namespace slipway::catalog {
namespace {

class PostgresCatalog : public testing::Test {
protected:
  static std::unique_ptr<sql::Database> open(const sql::TestSchema& schema) {
    auto opened = sql::PostgresDatabase::open({.url = schema.url()});
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }

  Digest put(Catalog& catalog, const std::string& tag, const std::string& bytes) {
    const NewManifest manifest{.digest = digest_of(as_bytes(bytes)), .media_type = "m", .bytes = bytes};
    EXPECT_TRUE(catalog.put_manifest("r", manifest, {tag}, "alice", false));
    return manifest.digest;
  }

  const sql::TestSchema m_schema;
  test::ManualClock m_clock;
};

TEST_F(PostgresCatalog, IsMadeOnceHoweverManyServersStartAtOnce) {
  std::vector<std::unique_ptr<sql::Database>> databases;
  for (int i = 0; i < 4; ++i) databases.push_back(open(m_schema));
  std::vector<std::thread> threads;
  for (const auto& database : databases)
    threads.emplace_back([&] {
      const auto opened = Catalog::open(*database, m_clock);
      EXPECT_TRUE(opened) << opened.error().message;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(databases[0]->read([](sql::Session& session) {
    EXPECT_EQ(session.number("SELECT COUNT(*) FROM migration"),
              static_cast<std::int64_t>(postgres_schema().migrations.size()));
    EXPECT_EQ(session.number("SELECT COUNT(*) FROM setting WHERE name = 'catalog_id'"), 1);
  }));
}

TEST_F(PostgresCatalog, SeesAtOnceWhatAnotherServerDid) {
  const auto one_database = open(m_schema);
  const auto other_database = open(m_schema);
  const auto one = std::move(Catalog::open(*one_database, m_clock).value());
  const auto other = std::move(Catalog::open(*other_database, m_clock).value());
  for (int i = 0; i < 20; ++i) {
    const auto digest = put(i % 2 == 0 ? *one : *other, "latest", "m" + std::to_string(i));
    for (auto* catalog : {one.get(), other.get()}) {
      EXPECT_EQ(catalog->find_tag("r", "latest")->digest, digest);
      EXPECT_EQ(*catalog->find_tag("r", "latest")->bytes, "m" + std::to_string(i));
      EXPECT_TRUE(catalog->find_manifest("r", digest));
    }
  }
  ASSERT_TRUE(one->remove_tag("r", "latest", "bob"));
  EXPECT_FALSE(other->find_tag("r", "latest"));
}

TEST_F(PostgresCatalog, SeesAnotherMediaTypeOfBytesThatItKnows) {
  const auto one_database = open(m_schema);
  const auto other_database = open(m_schema);
  const auto one = std::move(Catalog::open(*one_database, m_clock).value());
  const auto other = std::move(Catalog::open(*other_database, m_clock).value());
  const auto digest = put(*one, "latest", "bytes");
  const auto first = other->find_tag("r", "latest");
  ASSERT_TRUE(other->find_manifest("r", digest));
  const NewManifest retyped{.digest = digest, .media_type = "n", .bytes = "bytes"};
  ASSERT_TRUE(one->put_manifest("r", retyped, {}, "alice", false));
  const auto second = other->find_tag("r", "latest");
  EXPECT_EQ(second->media_type, "n");
  EXPECT_EQ(*second->bytes, "bytes");
  EXPECT_EQ(second->bytes, first->bytes);  // the same, not equal ones that came again
  EXPECT_EQ(other->find_manifest("r", digest)->media_type, "n");
  ASSERT_TRUE(one->remove_manifest("r", digest, "bob"));
  EXPECT_FALSE(other->find_tag("r", "latest"));
  EXPECT_FALSE(other->find_manifest("r", digest));
  put(*one, "latest", "others");
  EXPECT_EQ(*other->find_tag("r", "latest")->bytes, "others");
}

TEST_F(PostgresCatalog, GivesNoLocationToTwoServers) {
  const auto one_database = open(m_schema);
  const auto other_database = open(m_schema);
  const auto one = std::move(Catalog::open(*one_database, m_clock).value());
  const auto other = std::move(Catalog::open(*other_database, m_clock).value());
  std::vector<std::vector<std::uint64_t>> given(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < given.size(); ++i)
    threads.emplace_back([&, i] {
      auto& catalog = i % 2 == 0 ? *one : *other;
      for (int n = 0; n < 3000; ++n) given[i].push_back(number_of(catalog.next_location().value()));
    });
  for (auto& thread : threads) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& some : given) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), 12'000U);
}

TEST_F(PostgresCatalog, IsMadeAgainOfItsJournal) {
  const auto database = open(m_schema);
  const auto catalog = std::move(Catalog::open(*database, m_clock).value());
  std::vector<std::string> parts;
  std::optional<std::int64_t> told;
  const auto tell = [&] {
    const auto stretch = Journal(*database).tell(
        "g", told, [&](const JournalStretch&, std::int64_t, bool, std::string text) -> Result<> {
          parts.push_back(std::move(text));
          return {};
        });
    ASSERT_TRUE(stretch) << stretch.error().message;
    told = stretch->stretch.through;
  };
  put(*catalog, "a", "one");
  tell();
  put(*catalog, "b", "two");
  ASSERT_TRUE(catalog->remove_repository("r", "bob"));
  put(*catalog, "c", "three");
  tell();

  const sql::TestSchema fresh;
  const auto other = open(fresh);
  Rebuild rebuild(*other, m_clock);
  for (const auto& part : parts) {
    const auto applied = rebuild.apply(part);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  const auto finished = rebuild.finish();
  ASSERT_TRUE(finished) << finished.error().message;
  EXPECT_EQ(journal_prints(*other).value(), journal_prints(*database).value());

  const auto rebuilt = std::move(Catalog::open(*other, m_clock).value());
  put(*rebuilt, "d", "four");  // ids go on
  EXPECT_TRUE(rebuilt->find_tag("r", "c"));
  EXPECT_FALSE(other->write([](sql::Session& session) -> Result<> {  // references are checked again
    session.run("INSERT INTO membership (repository, blob, since) VALUES (999, 999, 0)");
    return {};
  }));
}

}  // namespace
}  // namespace slipway::catalog
