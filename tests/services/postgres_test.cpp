// What of PostgreSQL is its own: several servers on one database, and its failures by name.

#include "postgres_fixture.hpp"

#include <future>

namespace slipway::sql {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// ---- several servers

TEST_F(PostgresTest, WritesOfSeveralServersComeOneAfterAnother) {
  const auto other = open();
  ASSERT_TRUE(add(*m_database, 0));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 25; ++round)
        EXPECT_TRUE((i % 2 == 0 ? *m_database : *other).write([](Session& session) -> Result<> {
          const auto highest = session.number("SELECT MAX(id) FROM item").value();  // who read the same would collide
          session.run("INSERT INTO item (id) VALUES ($1)", {highest + 1});
          return {};
        }));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count(*m_database), 101);
}

TEST_F(PostgresTest, NoSmallerSequenceShowsOnceALargerOneWasSeen) {
  const auto other = open();
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::int64_t seen = 0;
    std::int64_t known = 0;
    while (!done)
      EXPECT_TRUE(m_database->read([&](Session& session) {
        EXPECT_EQ(session.number("SELECT COUNT(*) FROM item WHERE sequence <= $1", {seen}), known);
        seen = session.number("SELECT MAX(sequence) FROM item").value_or(0);
        known = session.number("SELECT COUNT(*) FROM item WHERE sequence <= $1", {seen}).value();
      }));
  });
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&, i] {
      for (int round = 0; round < 30; ++round)
        EXPECT_TRUE(add(i % 2 == 0 ? *m_database : *other, std::int64_t{i} * 1000 + round));
    });
  for (auto& writer : writers) writer.join();
  done = true;
  reader.join();
}

TEST_F(PostgresTest, AServerThatStopsWithinAWriteDoesNotStopTheOthers) {
  const auto other = open();
  std::promise<void> stopped;
  std::promise<void> others_wrote;
  int attempts = 0;
  auto writing = std::async(std::launch::async, [&] {
    return m_database->write([&](Session& session) -> Result<> {
      session.run("INSERT INTO item (id) VALUES (1)");
      if (++attempts == 1) {
        stopped.set_value();
        others_wrote.get_future().wait();  // and with it, the server has ended this transaction
      }
      session.run("INSERT INTO item (id) VALUES (2)");
      return {};
    });
  });
  stopped.get_future().wait();
  EXPECT_TRUE(add(*other, 3));
  others_wrote.set_value();
  const auto written = writing.get();
  EXPECT_TRUE(written) << written.error().message;
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(count(*other), 3);
}

TEST_F(PostgresTest, AnotherServerThatWritesForLongIsToldOf) {
  auto impatient = m_patience;
  impatient.lock = 200ms;
  auto opened = PostgresDatabase::open({.url = m_schema.url(), .patience = impatient});
  ASSERT_TRUE(opened);
  EXPECT_TRUE(m_database->write([&](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    const auto refused = add(**opened, 2);
    EXPECT_EQ(refused.error().failure, Failure::busy);
    EXPECT_THAT(refused.error().message, HasSubstr("other servers"));
    return {};
  }));
  EXPECT_TRUE(add(**opened, 3));
}

// ---- failures by name

TEST_F(PostgresTest, EachFailureHasItsName) {
  const std::pair<const char*, Failure> failures[] = {
      {"53100", Failure::no_space}, {"53300", Failure::busy},    {"23505", Failure::conflict},
      {"23503", Failure::conflict}, {"55P03", Failure::busy},    {"54000", Failure::too_large},
      {"42501", Failure::io},       {"XX001", Failure::corrupt}, {"42P01", Failure::io}};
  std::vector<std::string> texts;  // as long as the database
  texts.reserve(std::size(failures));
  for (const auto& [state, failure] : failures) {
    texts.push_back(fmt::format("DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{}'; END $$", state));
    const auto written = m_database->write([&](Session& session) -> Result<> {
      session.run(texts.back());
      return {};
    });
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().failure, failure) << state;
    EXPECT_THAT(written.error().message, HasSubstr("so it is"));
    const bool is_for_clients =
        failure == Failure::busy || failure == Failure::conflict || failure == Failure::too_large;
    EXPECT_EQ(written.error().message.find("127.0.0.1") == std::string::npos, is_for_clients) << state;
  }
}

TEST_F(PostgresTest, ALostRaceIsRunAgain) {
  int attempts = 0;
  EXPECT_TRUE(m_database->write([&](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    if (++attempts < 3) session.run("DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '40001'; END $$");
    return {};
  }));
  EXPECT_EQ(attempts, 3);
  attempts = 0;
  EXPECT_EQ(m_database
                ->write([&](Session& session) -> Result<> {
                  ++attempts;
                  session.run("DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '40P01'; END $$");
                  return {};
                })
                .error()
                .failure,
            Failure::busy);
  EXPECT_EQ(attempts, 6);
}

TEST_F(PostgresTest, WorkThatIgnoresAFailureIsUndoneAllTheSame) {
  EXPECT_FALSE(m_database->write([](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    EXPECT_THROW(session.run("INSERT INTO item (id) VALUES (1)"), StatementFailed);
    return {};
  }));
  EXPECT_EQ(count(*m_database), 0);
}

TEST_F(PostgresTest, AReadOnlyDatabaseIsRead) {
  const auto database = open(test_postgres(), "%20-cdefault_transaction_read_only%3Don");
  EXPECT_EQ(count(*database), 0);
  const auto refused = add(*database, 1).error();
  EXPECT_EQ(refused.failure, Failure::unavailable);  // not by this server's own will, and not for ever
  EXPECT_THAT(refused.message, HasSubstr("database 'slipway' at 127.0.0.1:"));
  EXPECT_THAT(refused.message, HasSubstr("read-only"));
}

TEST_F(PostgresTest, ADatabaseThatDoesNotFlushIsToldOf) {
  // The tests' server does without, for speed.
  const auto database = open(test_postgres(), "%20-csynchronous_commit%3Doff");
  const auto risks = database->risks().value();
  ASSERT_EQ(risks.size(), 1U);  // a connection sets its own synchronous_commit right
  EXPECT_THAT(risks.front(), HasSubstr("database 'slipway' at 127.0.0.1:"));
  EXPECT_THAT(risks.front(), HasSubstr("fsync is off"));
  bool is_synchronous = false;
  ASSERT_TRUE(database->write([&](Session& session) -> Result<> {
    is_synchronous = session.number("SELECT 1 WHERE current_setting('synchronous_commit') = 'on'").has_value();
    return {};
  }));
  EXPECT_TRUE(is_synchronous);
}

TEST_F(PostgresTest, TextThatItCannotKeepIsInvalid) {
  for (const std::string_view text : {std::string_view("a\0b", 3), std::string_view("gr\xfc\xdf")}) {
    const auto read = m_database->read([&](Session& session) { session.run("SELECT $1", {text}); });
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().failure, Failure::invalid) << read.error().message;
  }
}

TEST_F(PostgresTest, WhoCannotComeInIsToldWhy) {
  const auto refused = [](const std::string& url) {
    const auto opened = PostgresDatabase::open({.url = url});
    EXPECT_FALSE(opened) << url;
    return opened ? Error{} : opened.error();
  };
  const auto place = fmt::format("127.0.0.1:{}", server_port());
  const auto password = refused("postgresql://guarded:hunter2@" + place + "/slipway");
  EXPECT_EQ(password.failure, Failure::unavailable);
  EXPECT_THAT(password.message, HasSubstr("database 'slipway' at " + place));
  EXPECT_THAT(password.message, HasSubstr("password authentication failed for user \"guarded\""));
  EXPECT_THAT(password.message, Not(HasSubstr("hunter2")));
  EXPECT_TRUE(PostgresDatabase::open({.url = "postgresql://guarded:secret%20word@" + place + "/slipway"}));

  EXPECT_THAT(refused("postgresql://slipway@" + place + "/absent").message, HasSubstr("\"absent\" does not exist"));
  EXPECT_THAT(refused("postgresql://slipway@127.0.0.1:1/slipway").message, HasSubstr("refused"));
  EXPECT_THAT(refused("postgresql://slipway@nowhere.invalid/slipway").message, HasSubstr("nowhere.invalid"));
  const auto latin = refused("postgresql://slipway@" + place + "/latin");
  EXPECT_EQ(latin.failure, Failure::invalid);
  EXPECT_THAT(latin.message, HasSubstr("UTF8"));
  for (const auto* no_url : {"", "catalog.sqlite", "postgresql://u:se%zzcret@h/d", "host=127.0.0.1 password=secret"}) {
    const auto error = refused(no_url);
    EXPECT_EQ(error.failure, Failure::invalid);
    EXPECT_THAT(error.message, HasSubstr("postgresql://"));
    EXPECT_THAT(error.message, Not(HasSubstr("cret")));
  }
}

// ---- size

TEST_F(PostgresTest, RowsAreGivenAsTheyCome) {
  // Else a long listing would be held whole.
  const auto begun = std::chrono::steady_clock::now();
  std::vector<std::chrono::steady_clock::duration> came;
  ASSERT_TRUE(m_database->read([&](Session& session) {
    session.run("SELECT repeat('x', 20000), pg_sleep(0.2) FROM generate_series(1, 5)", {},
                [&](const Row&) { came.push_back(std::chrono::steady_clock::now() - begun); });
  }));
  ASSERT_EQ(came.size(), 5U);
  EXPECT_GT(came.back() - came.front(), 500ms);
}

TEST_F(PostgresTest, LargeValuesComeBackAsTheyWent) {
  const std::string large(50U << 20, '\xfe');
  ASSERT_TRUE(m_database->write([&](Session& session) -> Result<> {
    TRY(session.script("CREATE TABLE large (bytes BYTEA)"));
    session.run("INSERT INTO large (bytes) VALUES ($1)", {as_bytes(large)});
    return {};
  }));
  bool is_same = false;
  ASSERT_TRUE(m_database->read([&](Session& session) {
    session.run("SELECT bytes FROM large", {}, [&](const Row& row) { is_same = as_text(row.blob(0)) == large; });
  }));
  EXPECT_TRUE(is_same);
}

}  // namespace
}  // namespace slipway::sql
