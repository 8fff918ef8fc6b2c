// The journal tells of every change that the catalog makes: whatever is done, in whatever order, what is rebuilt of it
// is the same.

#include "catalog/journal.hpp"
#include "catalog/journal_tables.hpp"
#include "catalog/rebuild.hpp"
#include "catalog_contract.hpp"
#include "sql/sqlite.hpp"
#include "support/temp_directory.hpp"

#include <random>

namespace slipway::catalog {
namespace {

class CatalogJournal : public CatalogContract {
protected:
  /// Tells what changed since the last call, or everything the first time.
  void tell(std::size_t part_bytes = 4U << 20) {
    const auto stretch = Journal(*m_database)
                             .tell(
                                 "g", m_told,
                                 [&](const JournalStretch&, std::int64_t, bool, std::string text) -> Result<> {
                                   m_parts.push_back(std::move(text));
                                   return {};
                                 },
                                 part_bytes);
    ASSERT_TRUE(stretch) << stretch.error().message;
    m_told = stretch->stretch.through;
  }

  /// A database made of all that was told.
  std::unique_ptr<sql::Database> rebuilt(const std::string& name) {
    const auto file = m_directory / name;
    {
      const auto database = std::move(sql::SqliteDatabase::open(file, sql::SqliteMode::fill).value());
      Rebuild rebuild(*database, m_clock);
      for (const auto& part : m_parts) {
        const auto applied = rebuild.apply(part);
        EXPECT_TRUE(applied) << applied.error().message;
      }
      const auto finished = rebuild.finish();
      EXPECT_TRUE(finished) << finished.error().message;
    }
    const auto checked = sql::check_sqlite(file);
    EXPECT_TRUE(checked) << checked.error().message;
    return std::move(sql::SqliteDatabase::open(file).value());
  }

  void expect_equal(sql::Database& other) {
    const auto ours = journal_prints(*m_database).value();
    const auto theirs = journal_prints(other).value();
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      EXPECT_EQ(ours[i].rows, theirs[i].rows) << ours[i].table;
      EXPECT_EQ(ours[i], theirs[i]) << ours[i].table;
    }
    // What is counted from others is counted right.
    for (const auto* counted :
         {"SELECT COUNT(*) FROM pack WHERE condemned_at IS NULL AND blobs > 0",
          "SELECT CAST(SUM(blobs) AS BIGINT) FROM pack", "SELECT CAST(SUM(bytes) AS BIGINT) FROM pack",
          "SELECT CAST(SUM(entries) AS BIGINT) FROM cache_usage",
          "SELECT CAST(SUM(bytes) AS BIGINT) FROM cache_usage"}) {
      const auto number = [&](sql::Database& database) {
        std::int64_t out = 0;
        EXPECT_TRUE(database.read([&](sql::Session& session) { out = session.number(counted).value_or(0); }));
        return out;
      };
      EXPECT_EQ(number(*m_database), number(other)) << counted;
    }
  }

  test::TempDirectory m_directory;
  std::optional<std::int64_t> m_told;
  std::vector<std::string> m_parts;
};
INSTANTIATE_FOR_DATABASES(CatalogJournal);

TEST_P(CatalogJournal, TellsOfEveryTableButThoseItNames) {
  // A new table has to be decided about: told of, or counted from others, or let go.
  const bool is_sqlite = m_database->dialect() == sql::Dialect::sqlite;
  const auto names = [&](std::string_view text, std::initializer_list<sql::Parameter> parameters) {
    std::vector<std::string> out;
    EXPECT_TRUE(m_database->read([&](sql::Session& session) {
      session.run(text, parameters, [&](const sql::Row& row) { out.emplace_back(row.text(0)); });
    }));
    return out;
  };
  const auto tables =
      names(is_sqlite ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
                      : "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()",
            {});
  EXPECT_FALSE(tables.empty());
  for (const auto& table : tables) {
    const bool untold = table == "change" || table == "journal_state" || table == "migration" || table == "upload" ||
                        table == "deletion" || table == "pack" || table == "cache_usage" || table == "location_needs" ||
                        table == "lease" || table == "report" || table == "tally" || table == "first_published" ||
                        table == "write_mark";  // PostgreSQL's driver has it for itself
    EXPECT_NE(journal_table(table) != nullptr, untold) << table;
  }
  for (const auto& table : journal_tables()) {  // all of its columns
    const auto columns =
        names(is_sqlite ? "SELECT name FROM pragma_table_info($1) ORDER BY cid"
                        : "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() "
                          "AND table_name = $1 ORDER BY ordinal_position",
              {table.name});
    std::vector<std::string> told;
    for (const auto& column : table.columns) told.emplace_back(column.name);
    EXPECT_EQ(columns, told) << table.name;
  }
}

TEST_P(CatalogJournal, KeepsTheServersSecretToItself) {
  ASSERT_TRUE(m_catalog->set_setting("token_key", "a secret"));
  ASSERT_TRUE(m_catalog->set_setting("admin_token", "the token's hash"));
  tell();
  ASSERT_TRUE(m_catalog->set_setting("token_key", "another secret"));
  ASSERT_TRUE(m_catalog->set_setting("admin_token", "another hash"));
  tell();
  for (const auto& part : m_parts) EXPECT_EQ(part.find("secret"), part.npos) << part;
  EXPECT_NE(m_parts.back().find("another hash"), std::string::npos);
}

TEST_P(CatalogJournal, TellsTheWholeInParts) {
  for (int i = 0; i < 200; ++i) add_blob("a", "blob " + std::to_string(i));
  tell(4096);
  EXPECT_GT(m_parts.size(), 10U);
  for (const auto& part : m_parts) EXPECT_LT(part.size(), 6000U);
  expect_equal(*rebuilt("rebuilt"));
}

TEST_P(CatalogJournal, TellsNothingTwice) {
  add_blob("a", "x");
  tell();
  tell();
  EXPECT_EQ(m_parts.back().find("[\""), m_parts.back().find("[\"id"));  // only the header's
  EXPECT_NE(m_parts.back().find("\"rows\":0"), std::string::npos);
}

TEST_P(CatalogJournal, IsForgottenOnceItIsInTheStore) {
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(m_catalog->set_setting("s" + std::to_string(i), "v"));
  Journal journal(*m_database);
  const auto newest = journal.newest().value();
  EXPECT_FALSE(journal.state()->has_value());
  ASSERT_TRUE(journal.set_state({}, {"g", 5, newest, 7, "before", "after"}));
  const auto rows = [&] {
    std::int64_t out = 0;
    EXPECT_TRUE(m_database->read(
        [&](sql::Session& session) { out = session.number("SELECT COUNT(*) FROM change").value_or(0); }));
    return out;
  };
  EXPECT_EQ(rows(), 1);
  EXPECT_EQ(journal.newest(), newest);
  reopen();
  EXPECT_EQ(Journal(*m_database).newest(), newest);
  add_blob("a", "x");
  EXPECT_GT(*Journal(*m_database).newest(), newest);
  const auto state = Journal(*m_database).state().value();
  ASSERT_TRUE(state);
  EXPECT_EQ(state->generation, "g");
  EXPECT_EQ(state->schema, 5);
  EXPECT_EQ(state->finished, newest);
  EXPECT_EQ(state->mark, 7);
  EXPECT_EQ(state->superseded, "before");
  EXPECT_EQ(state->planned, "after");
}

TEST_P(CatalogJournal, IsAppliedInOrderOnly) {
  add_blob("a", "x");
  tell();
  add_blob("a", "y");
  tell();
  add_blob("a", "z");
  tell();
  const auto database = std::move(sql::SqliteDatabase::open(m_directory / "other", sql::SqliteMode::fill).value());
  Rebuild rebuild(*database, m_clock);
  EXPECT_EQ(rebuild.finish().error().failure, Failure::not_found);
  EXPECT_EQ(rebuild.apply(m_parts[1]).error().failure, Failure::conflict);
  ASSERT_TRUE(rebuild.apply(m_parts[0]));
  EXPECT_EQ(rebuild.apply(m_parts[2]).error().failure, Failure::conflict);
  EXPECT_EQ(rebuild.apply(m_parts[0]).error().failure, Failure::conflict);
  ASSERT_TRUE(rebuild.apply(m_parts[1]));
  EXPECT_EQ(rebuild.apply("not one").error().failure, Failure::corrupt);
}

TEST_P(CatalogJournal, LeavesIdsToTheLostCatalog) {
  const auto before = m_catalog->next_location().value();
  add_blob("a", "x");
  tell();
  const auto database = rebuilt("rebuilt");
  const auto catalog = std::move(Catalog::open(*database, m_clock).value());
  EXPECT_GT(number_of(catalog->next_location().value()), number_of(before) + 1'000'000);
  EXPECT_EQ(Journal(*database).state().value()->superseded, "g");
}

TEST_P(CatalogJournal, RebuildsIdsAndNamesThatChangedPlaces) {
  add_blob("a", "x");  // the newest repository: its id is free once it is gone
  tell();
  add_blob("z", "x");
  ASSERT_TRUE(m_catalog->remove_repository("z", "bob"));
  ASSERT_TRUE(m_catalog->remove_repository("a", "bob"));
  add_blob("y", "x");
  add_blob("a", "x");
  tell();
  expect_equal(*rebuilt("repositories"));

  const auto put = [&](const std::string& key, std::string_view text) {
    ASSERT_TRUE(m_catalog->commit_entry("cache", key, {digest_of(as_bytes(text))}, location_for(text), "store", false));
  };
  put("a", "content a");
  tell();
  put("c", "content c");
  ASSERT_TRUE(m_catalog->remove_entry("cache", "c"));
  ASSERT_TRUE(m_catalog->remove_entry("cache", "a"));
  put("c", "content c2");
  put("a", "content a");
  tell();
  expect_equal(*rebuilt("digests"));
}

/// Everything a catalog can be asked to do, at random, so that rows come, change, go, and come again under ids that
/// others had.
class RandomWork {
public:
  RandomWork(Catalog& catalog, test::ManualClock& clock, unsigned seed)
      : m_catalog(catalog), m_clock(clock), m_random(seed) {}

  void step() {
    m_clock.advance(std::chrono::microseconds(pick(1000) + 1));
    switch (pick(13)) {
    case 0:
    case 1: commit(); break;
    case 2: static_cast<void>(m_catalog.mount_blob(repository(), repository(), digest())); break;
    case 3: static_cast<void>(m_catalog.remove_blob(repository(), digest())); break;
    case 4:
    case 5: put_manifest(); break;
    case 6:
      static_cast<void>(m_catalog.remove_manifest(repository(), m_manifests[pick(m_manifests.size())], "bob"));
      break;
    case 7: static_cast<void>(m_catalog.remove_tag(repository(), tag(), "bob")); break;
    case 8: remove_repository(); break;
    case 9: put_entry(); break;
    case 10: static_cast<void>(m_catalog.remove_entry("cache", key())); break;
    case 11: evict(); break;
    default: move(); break;
    }
  }

private:
  std::size_t pick(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(m_random); }
  std::string repository() { return std::string("r") + std::to_string(pick(4)); }
  std::string tag() { return std::string("t") + std::to_string(pick(4)); }
  std::string key() { return std::string("k") + std::to_string(pick(6)); }
  std::string content() { return "content " + std::to_string(pick(20)); }
  Digest digest() { return digest_of(as_bytes(content())); }

  blob::Location location(std::uint64_t size) {
    const auto id = m_catalog.next_location().value();
    if (pick(2) == 0) return {id, blob::LocationKind::raw, "raw/" + std::to_string(number_of(id)), {0, size}};
    return {id, blob::LocationKind::pack, "packs/" + std::to_string(pick(3)), {16, size}};
  }

  void commit() {
    const auto text = content();
    std::vector<Digest> digests{digest_of(as_bytes(text))};
    if (pick(3) == 0) digests.push_back(digest_of(as_bytes(text), Algorithm::sha512));
    static_cast<void>(m_catalog.commit_blob(repository(), digests, location(text.size()), "store", {}, pick(4) == 0));
  }

  void put_manifest() {
    NewManifest manifest;
    manifest.bytes = "{\"n\":" + std::to_string(pick(8)) + "}";
    manifest.digest = digest_of(as_bytes(manifest.bytes));
    manifest.media_type = pick(2) == 0 ? "application/one" : "application/two";
    manifest.artifact_type = "application/kind";
    manifest.edges = {{EdgeKind::config, digest(), "x/y", 7}, {EdgeKind::subject, digest(), "z", 9}};
    std::vector<std::string> tags;
    if (pick(2) == 0) tags.push_back(tag());
    static_cast<void>(m_catalog.put_manifest(repository(), manifest, tags, "alice", false));
    m_manifests.push_back(manifest.digest);
  }

  void put_entry() {
    const auto text = content();
    static_cast<void>(
        m_catalog.commit_entry("cache", key(), {digest_of(as_bytes(text))}, location(text.size()), "store", false));
    static_cast<void>(m_catalog.record_uses({{"cache", key(), m_clock.now()}}));
  }

  void evict() { static_cast<void>(m_catalog.evict("cache", 20, 2)); }

  void remove_repository() {
    if (pick(4) == 0) static_cast<void>(m_catalog.remove_repository(pick(5) == 0 ? "cache" : repository(), "bob"));
  }

  /// What compaction does.
  void move() {
    const auto pack = "packs/" + std::to_string(pick(3));
    const auto blobs = m_catalog.blobs_in_pack(pack, blob::LocationId{}, 3).value();
    std::vector<Move> moves;
    for (const auto& blob : blobs) {
      const auto id = m_catalog.next_location().value();
      const blob::Location to{
          id, blob::LocationKind::pack, "packs/" + std::to_string(pick(3)), {99, blob.location.range.length}};
      moves.push_back({blob.location.id, to});
    }
    static_cast<void>(m_catalog.move_locations(moves, "store"));
  }

  Catalog& m_catalog;
  test::ManualClock& m_clock;
  std::mt19937 m_random;
  std::vector<Digest> m_manifests{digest_of(as_bytes("{}"))};
};

TEST_P(CatalogJournal, RebuildsWhateverWasDone) {
  for (const unsigned seed : {1U, 2U, 3U, 4U}) {
    m_told.reset();
    m_parts.clear();
    RandomWork work(*m_catalog, m_clock, seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 25; ++round) {
      for (int i = 0; i < 20; ++i) work.step();
      tell(512 + random() % 4096);
      if (round % 8 == 7) expect_equal(*rebuilt("rebuilt " + std::to_string(seed) + "." + std::to_string(round)));
    }
    expect_equal(*rebuilt("rebuilt " + std::to_string(seed)));
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace slipway::catalog
