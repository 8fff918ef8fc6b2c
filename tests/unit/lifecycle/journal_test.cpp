#include "base/log.hpp"
#include "catalog/journal.hpp"
#include "lifecycle/journal_keeper.hpp"
#include "lifecycle/rebuild.hpp"
#include "support/faulty_database.hpp"
#include "support/storage.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace slipway::lifecycle {
namespace {

class JournalTest : public testing::Test, protected test::Storage {
protected:
  JournalTest() { log::set_level(log::Level::off); }

  /// As after a restart.
  void restart() { m_writer.emplace(catalog::Journal(m_faulty), m_objects, m_options); }

  void pass() {
    const auto written = m_writer->pass();
    ASSERT_TRUE(written) << written.error().message;
  }

  /// A catalog rebuilt of the store is the one there is.
  void expect_rebuildable() {
    const auto file = m_directory / ("rebuilt" + std::to_string(m_rebuilt++));
    const auto database = std::move(sql::SqliteDatabase::open(file, sql::SqliteMode::fill).value());
    catalog::Rebuild rebuild(*database, m_clock);
    const auto report = lifecycle::rebuild(m_objects, {}, rebuild, [](std::uint64_t, std::uint64_t) {});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(catalog::journal_prints(*database).value(), catalog::journal_prints(*m_database).value());
  }

  /// There is a journal, of some state, that can be read; of several the one that goes furthest, as a user is told to
  /// choose. Returns its last change.
  std::int64_t expect_a_whole_journal() {
    const auto survey = survey_journal(m_objects.list().value());
    const auto furthest = std::ranges::max_element(survey.generations, {},
                                                   [](const auto& generation) { return generation.second.reach(); });
    EXPECT_NE(furthest, survey.generations.end());
    if (furthest == survey.generations.end()) return -1;
    const auto file = m_directory / ("rebuilt" + std::to_string(m_rebuilt++));
    const auto database = std::move(sql::SqliteDatabase::open(file, sql::SqliteMode::fill).value());
    catalog::Rebuild rebuild(*database, m_clock);
    const RebuildChoice choice{.generation = furthest->first};
    const auto report = lifecycle::rebuild(m_objects, choice, rebuild, [](std::uint64_t, std::uint64_t) {});
    EXPECT_TRUE(report) << report.error().message;
    return report ? report->through : -1;
  }

  /// Whichever call fails, before or after it was done: there is a whole journal at once, and soon one alone, of all
  /// there is.
  void keeps_one_whole_state_wherever(test::FaultPlan& plan) {
    int struck = 0;
    for (const auto fault : {test::Fault::before, test::Fault::after})
      for (int call = 1; call < 12; ++call) {
        pass();
        plan.arm(call, fault);
        for (int i = 0; i < 12; ++i) {
          ASSERT_TRUE(m_catalog->set_setting("s" + std::to_string(call), std::string(3000, 'x') + std::to_string(i)));
          if (m_writer->pass()) continue;
          ++struck;
          plan.disarm();
          expect_a_whole_journal();
          if (i % 2 == 0) restart();  // else the same process goes on
        }
        plan.disarm();
        pass();
        pass();
        expect_rebuildable();
        restart();
        pass();
        EXPECT_EQ(survey_journal(m_objects.list().value()).generations.size(), 1U);
      }
    EXPECT_GT(struck, 0);
  }

  /// A copy of the catalog, to be put in its place: the journal went on since it was made.
  std::unique_ptr<sql::SqliteDatabase> older_catalog() {
    push("a", "x");
    pass();
    const auto older = m_directory / "older";
    EXPECT_TRUE(sql::copy_sqlite(m_directory / "catalog.sqlite", older));
    push("a", "y");
    pass();
    return std::move(sql::SqliteDatabase::open(older).value());
  }

  std::size_t segments() const {
    std::size_t out = 0;
    for (const auto& [name, bytes] : m_objects.all)
      if (name.find("snapshot") == name.npos) ++out;
    return out;
  }

  JournalOptions m_options{
      .part_bytes = 4096, .segment_bytes = 4096, .changes_max = 50, .outweigh_bytes = 64U << 10, .segments_max = 8};
  test::FaultyDatabase m_faulty{*m_database};
  std::optional<JournalWriter> m_writer{std::in_place, catalog::Journal(m_faulty), m_objects, m_options};
  int m_rebuilt = 0;
};

TEST_F(JournalTest, BeginsWithASnapshotAndGoesOnWithSegments) {
  push("a", "before");
  pass();
  ASSERT_EQ(m_objects.all.size(), 1U);
  EXPECT_NE(m_objects.all.begin()->first.find(".snapshot."), std::string::npos);
  expect_rebuildable();
  push("a", "after");
  pass();
  EXPECT_EQ(segments(), 1U);
  expect_rebuildable();
}

TEST_F(JournalTest, WritesNothingWhereNothingChanged) {
  pass();
  pass();
  const auto all = m_objects.all;
  EXPECT_FALSE(m_writer->pass().value());
  EXPECT_EQ(m_objects.all, all);
}

TEST_F(JournalTest, ReplacesASegmentUntilItIsWorthAnObject) {
  pass();
  for (int i = 0; i < 40; ++i) {
    push("a", "blob " + std::to_string(i));
    pass();
    EXPECT_LE(m_objects.all.size(), 8U);
    expect_rebuildable();
  }
  EXPECT_GT(segments(), 1U);
  for (const auto& [name, bytes] : m_objects.all) EXPECT_LT(bytes.size(), 2 * m_options.segment_bytes) << name;
}

TEST_F(JournalTest, BeginsANewGenerationWhereSegmentsOutweighTheSnapshot) {
  pass();
  const auto first = m_objects.all.begin()->first.substr(0, 17);
  std::size_t most = 0;
  std::uint64_t largest = 0;
  for (int i = 0; i < 400; ++i) {
    const auto name = "s" + std::to_string(i % 8);  // rewrites a few rows
    ASSERT_TRUE(m_catalog->set_setting(name, std::string(1000, 'x') + std::to_string(i)));
    pass();
    most = std::max(most, m_objects.all.size());
    largest = std::max(largest, m_writer->size());
  }
  EXPECT_NE(m_objects.all.begin()->first.substr(0, 17), first);
  EXPECT_LT(largest, 200'000U);  // although 400,000 bytes were written
  EXPECT_LT(most, 30U);
  expect_rebuildable();
}

TEST_F(JournalTest, FinishesASegmentOfManyChangesHoweverSmall) {
  pass();
  const auto waiting = [&] {
    std::int64_t out = 0;
    EXPECT_TRUE(m_database->read(
        [&](sql::Session& session) { out = session.number("SELECT COUNT(*) FROM change").value_or(0); }));
    return out;
  };
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(m_catalog->set_setting("s", std::to_string(i)));  // always the same row
    pass();
    EXPECT_LE(waiting(), 51);
  }
  expect_rebuildable();
}

TEST_F(JournalTest, GoesOnAfterARestart) {
  pass();
  push("a", "x");
  pass();
  restart();
  push("a", "y");
  pass();
  EXPECT_EQ(m_objects.all.size(), 2U);  // one snapshot, one segment: the open one was replaced
  expect_rebuildable();
  restart();
  EXPECT_FALSE(m_writer->pass().value());
  expect_rebuildable();
}

TEST_F(JournalTest, KeepsOneWholeStateWhereverTheStoreFails) { keeps_one_whole_state_wherever(m_objects.plan); }
TEST_F(JournalTest, KeepsOneWholeStateWhereverAReadFails) { keeps_one_whole_state_wherever(m_faulty.reads); }
TEST_F(JournalTest, KeepsOneWholeStateWhereverAWriteFails) { keeps_one_whole_state_wherever(m_faulty.writes); }

TEST_F(JournalTest, RemovesWhatACrashLeft) {
  pass();
  const auto kept = m_objects.all;
  const auto own = kept.begin()->first.substr(0, 17);
  m_objects.all[own + ".0000000000000000.0000000000000001.0000"] = "half of one";
  m_objects.all[own + ".0000000000000000.0000000000000001.0000.end.new"] = "being written";
  restart();
  pass();
  EXPECT_EQ(m_objects.all, kept);
  // Nobody knows whose these are.
  m_objects.all["00000009-abcdef01.snapshot.0000000000000009.0000"] = "half of one";
  m_objects.all["notes.txt"] = "an administrator's";
  restart();
  pass();
  EXPECT_EQ(m_objects.all.size(), kept.size() + 2);
}

TEST_F(JournalTest, LeavesAGenerationThatKnowsMoreThanTheCatalog) {
  const auto database = older_catalog();
  const auto known = m_objects.all;
  JournalWriter writer(catalog::Journal(*database), m_objects, m_options);
  ASSERT_TRUE(writer.pass());
  ASSERT_TRUE(writer.pass());
  for (const auto& [name, bytes] : known) EXPECT_TRUE(m_objects.all.contains(name)) << name;
  EXPECT_EQ(survey_journal(m_objects.list().value()).generations.size(), 2U);

  const auto file = m_directory / "again";
  const auto again = std::move(sql::SqliteDatabase::open(file, sql::SqliteMode::fill).value());
  catalog::Rebuild rebuild(*again, m_clock);
  ASSERT_TRUE(lifecycle::rebuild(m_objects, {known.begin()->first.substr(0, 17)}, rebuild,
                                 [](std::uint64_t, std::uint64_t) {}));
  EXPECT_EQ(catalog::journal_prints(*again).value(), catalog::journal_prints(*m_database).value());
}

TEST_F(JournalTest, TellsAnotherFutureFromItsOwnByMoreThanItsLength) {
  const auto database = older_catalog();
  const auto known = m_objects.all;
  // It comes as far, and further, before anybody looks at the journal.
  const auto catalog = std::move(catalog::Catalog::open(*database, m_clock).value());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(catalog->set_setting("other", std::to_string(i)));
  JournalWriter writer(catalog::Journal(*database), m_objects, m_options);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer.pass());
  EXPECT_TRUE(writer.has_others());
  for (const auto& [name, bytes] : known) EXPECT_TRUE(m_objects.all.contains(name)) << name;

  const auto file = m_directory / "several";
  const auto fresh = std::move(sql::SqliteDatabase::open(file, sql::SqliteMode::fill).value());
  catalog::Rebuild rebuild(*fresh, m_clock);
  EXPECT_EQ(lifecycle::rebuild(m_objects, {}, rebuild, [](std::uint64_t, std::uint64_t) {}).error().failure,
            Failure::conflict);
}

/// Objects of a server that is slow: another one does something before each of its puts.
class SlowObjects final : public blob::Objects {
public:
  SlowObjects(blob::Objects& objects, std::function<void()> meanwhile)
      : m_objects(objects), m_meanwhile(std::move(meanwhile)) {}
  Result<> put(const std::string& name, std::string_view bytes) override {
    m_meanwhile();
    return m_objects.put(name, bytes);
  }
  Result<std::string> get(const std::string& name) override { return m_objects.get(name); }
  Result<> remove(const std::string& name) override { return m_objects.remove(name); }
  Result<std::vector<blob::NamedObject>> list() override { return m_objects.list(); }

private:
  blob::Objects& m_objects;
  std::function<void()> m_meanwhile;
};

// Both believe that it is their turn, for however long.
TEST_F(JournalTest, HasNoHoleWhereTwoWriteIt) {
  JournalOptions options;
  options.part_bytes = 1000;
  options.outweigh_bytes = 1000;
  for (const std::uint64_t segment_bytes : {std::uint64_t{1}, std::uint64_t{64} << 10}) {
    options.segment_bytes = segment_bytes;
    JournalWriter other(catalog::Journal(m_faulty), m_objects, options);
    int number = 0, passes = 0;
    const auto change = [&] { push("a", std::to_string(segment_bytes) + "." + std::to_string(number++)); };
    SlowObjects slow(m_objects, [&] {
      change();
      if (++passes % 3 != 0) (void)other.pass();  // what it loses by, it tries again
    });
    JournalWriter writer(catalog::Journal(m_faulty), slow, options);
    int lost = 0;
    for (int i = 0; i < 6; ++i) {
      change();
      if (!writer.pass()) ++lost;
      if (i % 2 == 0) expect_a_whole_journal();
    }
    EXPECT_GT(lost, 0);
    for (int i = 0; i < 3; ++i) static_cast<void>(other.pass());
    EXPECT_TRUE(other.is_current());
    expect_rebuildable();
  }
}

// Another server told of more than this one, from the same place on, and its bytes came after this one's were adopted.
TEST_F(JournalTest, HasNoHoleWhereASegmentGoesOnFromBeforeTheLastOne) {
  m_options.segment_bytes = 1;
  restart();
  push("a", "0");
  pass();
  std::vector<std::pair<std::string, std::string>> late;
  SlowObjects slow(m_objects, [&] {
    push("a", "2");
    catalog::Journal journal(*m_database);
    const auto state = journal.state().value().value();
    ASSERT_TRUE(journal.tell(
        state.generation, state.finished,
        [&](const catalog::JournalStretch& stretch, std::int64_t part, bool last, const std::string& text) -> Result<> {
          late.emplace_back(name_of({stretch, part, last}), text);
          return {};
        }));
  });
  push("a", "1");
  JournalWriter writer(catalog::Journal(m_faulty), slow, m_options);
  ASSERT_TRUE(writer.pass());
  ASSERT_FALSE(late.empty());
  for (const auto& [name, text] : late) ASSERT_TRUE(m_objects.put(name, text));
  restart();
  for (int i = 3; i < 6; ++i) {
    push("a", std::to_string(i));
    pass();
    expect_rebuildable();
  }
}

TEST_F(JournalTest, LeavesWhatSomebodyMayStillBeWriting) {
  m_options.segment_bytes = 1;
  restart();
  push("a", "0");
  pass();
  push("a", "1");
  pass();
  const auto state = catalog::Journal(*m_database).state().value().value();
  const auto part = [&](std::int64_t after, std::int64_t through) {
    return name_of({{state.generation, after, through}, 0, false});
  };
  const auto old = part(state.finished - 1, state.finished), under_way = part(state.finished, state.finished + 9);
  for (const auto& name : {old, under_way}) m_objects.all[name] = "the first part";
  restart();
  pass();
  EXPECT_FALSE(m_objects.all.contains(old));
  EXPECT_TRUE(m_objects.all.contains(under_way));
  for (int i = 2; i < 20; ++i) {
    push("a", std::to_string(i));
    pass();
  }
  restart();
  pass();
  EXPECT_FALSE(m_objects.all.contains(under_way));  // the journal has gone beyond
  expect_rebuildable();
}

TEST_F(JournalTest, EndsAPassThatIsNotItsTurnAnyMore) {
  push("a", "x");
  m_options.part_bytes = 200;
  int asked = 0;
  m_options.is_ours = [&] { return ++asked < 3; };
  restart();
  EXPECT_EQ(m_writer->pass().error().failure, Failure::conflict);
  EXPECT_TRUE(m_objects.all.empty());
}

TEST_F(JournalTest, RemovesASnapshotThatWasNeverAdopted) {
  push("a", "x");
  pass();
  catalog::Journal journal(*m_database);
  auto state = journal.state().value().value();
  state.planned = "0000000f-01234567";
  ASSERT_TRUE(journal.set_state(journal.state().value().value(), state));
  m_objects.all["0000000f-01234567.snapshot.0000000000000009.0000.end"] = "whole, and never adopted";
  restart();
  pass();
  EXPECT_FALSE(m_objects.all.contains("0000000f-01234567.snapshot.0000000000000009.0000.end"));
  EXPECT_FALSE(m_writer->has_others());
  expect_rebuildable();
}

TEST_F(JournalTest, GoesOnWithSegmentsWhereASnapshotCannotBeWritten) {
  m_options.outweigh_bytes = 1;
  m_options.segments_max = 1;
  restart();
  pass();
  int failures = 0;
  for (int i = 0; i < 60; ++i) {
    for (int n = 0; n < 5; ++n)
      ASSERT_TRUE(m_catalog->set_setting("s" + std::to_string(n), std::string(1000, 'a' + static_cast<char>(i % 26))));
    m_objects.refuse = ".snapshot.";
    if (!m_writer->pass()) ++failures;
    EXPECT_EQ(expect_a_whole_journal(), m_writer->reach());
  }
  EXPECT_LT(failures, 12);
  EXPECT_GT(failures, 2);
  m_objects.refuse.clear();
  restart();
  pass();
  pass();
  EXPECT_EQ(segments(), 0U);
  expect_rebuildable();
}

TEST_F(JournalTest, TellsTheLastChangesOfACatalogThatBecameReadOnly) {
  push("a", "x");
  pass();
  push("a", "y");
  m_catalog->set_read_only(true);
  EXPECT_TRUE(m_writer->pass().value());
  EXPECT_TRUE(m_writer->is_current());
  expect_rebuildable();
}

TEST_F(JournalTest, RefusesAJournalWithAGapUnlessAPartWillDo) {
  for (int i = 0; i < 30; ++i) {
    push("a", "blob " + std::to_string(i));
    pass();
  }
  const auto survey = survey_journal(m_objects.list().value());
  const auto& stretches = survey.generations.begin()->second.stretches;
  ASSERT_GT(stretches.size(), 3U);
  m_objects.all.erase(stretches[2].names.front());
  const auto attempt = [&](bool partial) {
    const auto file = m_directory / ("gap" + std::to_string(m_rebuilt++));
    const auto database = std::move(sql::SqliteDatabase::open(file, sql::SqliteMode::fill).value());
    catalog::Rebuild rebuild(*database, m_clock);
    auto report = lifecycle::rebuild(m_objects, {.partial = partial}, rebuild, [](std::uint64_t, std::uint64_t) {});
    if (report) {  // it takes no place: what it could not read is still there
      EXPECT_EQ(catalog::Journal(*database).state().value()->superseded, "");
    }
    return report;
  };
  EXPECT_EQ(attempt(false).error().failure, Failure::corrupt);
  EXPECT_EQ(attempt(true)->through, stretches[1].stretch.through);
  m_objects.all[stretches[1].names.front()] += "x";
  EXPECT_EQ(attempt(true)->through, stretches[0].stretch.through);
}

TEST_F(JournalTest, BeginsAnewWhereTheStoreLostIt) {
  push("a", "x");
  pass();
  push("a", "y");
  pass();
  const auto first = m_objects.all.begin()->first.substr(0, 17);
  for (auto at = m_objects.all.begin(); at != m_objects.all.end();)
    at = at->first.find("snapshot") == std::string::npos ? ++at : m_objects.all.erase(at);
  restart();
  pass();
  pass();
  EXPECT_EQ(survey_journal(m_objects.list().value()).generations.size(), 1U);
  EXPECT_NE(m_objects.all.begin()->first.substr(0, 17), first);
  expect_rebuildable();
}

TEST_F(JournalTest, TakesThePlaceOfTheOneACatalogWasRebuiltOf) {
  push("a", "x");
  pass();
  const auto file = m_directory / "rebuilt";
  {
    const auto database = std::move(sql::SqliteDatabase::open(file, sql::SqliteMode::fill).value());
    catalog::Rebuild rebuild(*database, m_clock);
    ASSERT_TRUE(lifecycle::rebuild(m_objects, {}, rebuild, [](std::uint64_t, std::uint64_t) {}));
  }
  const auto database = std::move(sql::SqliteDatabase::open(file).value());
  JournalWriter writer(catalog::Journal(*database), m_objects, m_options);
  ASSERT_TRUE(writer.pass());
  ASSERT_TRUE(writer.pass());
  const auto survey = survey_journal(m_objects.list().value());
  ASSERT_EQ(survey.generations.size(), 1U);
  EXPECT_TRUE(survey.generations.begin()->first.starts_with("00000002-"));
  expect_rebuildable();
}

TEST_F(JournalTest, GivesALargeSnapshotUpWhenTheServerStops) {
  for (int i = 0; i < 100; ++i) push("a", "blob " + std::to_string(i));
  m_writer->hurry();
  EXPECT_EQ(m_writer->pass().error().failure, Failure::busy);
  restart();
  pass();
  pass();
  expect_rebuildable();
}

TEST_F(JournalTest, IsNotBegunInReadOnlyMode) {
  m_catalog->set_read_only(true);
  EXPECT_FALSE(m_writer->pass().value());
  EXPECT_TRUE(m_objects.all.empty());
  EXPECT_FALSE(m_writer->is_current());
}

TEST_F(JournalTest, IsKeptByAThreadUntilTheLastChange) {
  Metrics metrics;
  {
    const JournalKeeper keeper(catalog::Journal(*m_database), m_objects, metrics,
                               {.interval = std::chrono::milliseconds(5)});
    for (int i = 0; i < 50; ++i) push("a", "blob " + std::to_string(i));
    EXPECT_NE(metrics.expose().find("slipway_journal_lag_seconds"), std::string::npos);
  }
  expect_rebuildable();
}

TEST(JournalObject, HasANameThatCanBeReadBack) {
  for (const JournalObject& object : {JournalObject{{"00000001-0123abcd", std::nullopt, 7}, 0, true},
                                      JournalObject{{"00000001-0123abcd", 7, std::int64_t{1} << 62}, 65535, false}})
    EXPECT_EQ(journal_object(name_of(object)), object) << name_of(object);
}

TEST(JournalObject, HasNoOtherName) {
  for (const auto* name :
       {"", ".", "....", "00000001-0123abcd", "00000001-0123abcd.snapshot.0000000000000007",
        "00000001-0123abcd.snapshot.0000000000000007.0000.END",
        "00000001-0123abcd.snapshot.0000000000000007.0000.end.new", "0000001-0123abcd.snapshot.0000000000000007.0000",
        "00000001_0123abcd.snapshot.0000000000000007.0000", "00000001-0123abcg.snapshot.0000000000000007.0000",
        "00000001-0123abcd.snap.0000000000000007.0000", "00000001-0123abcd.snapshot.-000000000000007.0000",
        "00000001-0123abcd.snapshot.0000000000000007.00000",
        "00000001-0123abcd.ffffffffffffffff.0000000000000007.0000"})
    EXPECT_FALSE(journal_object(name)) << name;
}

}  // namespace
}  // namespace slipway::lifecycle
