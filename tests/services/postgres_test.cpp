// What of PostgreSQL is its own: several servers on one database, and all that goes wrong between them and it.

#include "postgres_place.hpp"
#include "support/tcp_proxy.hpp"

#include <csignal>
#include <fmt/format.h>
#include <future>
#include <gmock/gmock.h>
#include <set>

namespace slipway::sql {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const std::string commit("COMMIT", 7);  // as it is on the wire, with the zero that tells it from READ COMMITTED

class PostgresTest : public testing::Test {
protected:
  PostgresTest() {
    EXPECT_TRUE(m_database->write([](Session& session) {
      return session.script("CREATE TABLE item (id BIGINT PRIMARY KEY, sequence BIGINT GENERATED ALWAYS AS IDENTITY)");
    }));
  }

  /// One more server.
  std::unique_ptr<PostgresDatabase> open(const std::string& at = test_postgres(), const std::string& more = "") const {
    auto opened = PostgresDatabase::open({.url = m_schema.url(at) + more, .patience = m_patience});
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }

  static std::uint16_t server_port() {
    const auto url = test_postgres();
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }
  static std::string through(const test::TcpProxy& proxy) {
    return fmt::format("postgresql://slipway@127.0.0.1:{}/slipway", proxy.port());
  }

  static Result<> add(Database& database, std::int64_t id) {
    return database.write([&](Session& session) -> Result<> {
      session.run("INSERT INTO item (id) VALUES ($1)", {id});
      return {};
    });
  }
  static Result<std::int64_t> count(Database& database) {
    std::int64_t out = -1;
    TRY(database.read([&](Session& session) { out = session.number("SELECT COUNT(*) FROM item").value_or(-1); }));
    return out;
  }
  static void end_session(Database& other, std::int64_t pid) {
    EXPECT_TRUE(other.read([&](Session& session) { session.run("SELECT pg_terminate_backend($1::INT)", {pid}); }));
  }

  const TestSchema m_schema;
  const PostgresPatience m_patience{
      .lock = 10s, .statement = 20s, .pause = 1s, .silence = 2s, .outcome = 3s};  // impatient, for tests
  std::unique_ptr<PostgresDatabase> m_database = open();
};

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

// ---- broken connections

TEST_F(PostgresTest, AWriteWhoseConnectionEndsIsRunAgain) {
  const auto other = open();
  int attempts = 0;
  const auto written = m_database->write([&](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    if (++attempts == 1) end_session(*other, session.number("SELECT pg_backend_pid()").value());
    session.run("INSERT INTO item (id) VALUES (2)");
    return {};
  });
  EXPECT_TRUE(written) << written.error().message;
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(count(*m_database), 2);
}

TEST_F(PostgresTest, AReadThatSawARowIsNotRunAgain) {
  const auto other = open();
  int attempts = 0;
  const auto read = m_database->read([&](Session& session) {
    ++attempts;
    end_session(*other, session.number("SELECT pg_backend_pid()").value());
    session.number("SELECT COUNT(*) FROM item");
  });
  EXPECT_EQ(attempts, 1);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().failure, Failure::unavailable);
  EXPECT_EQ(count(*m_database), 0);
}

TEST_F(PostgresTest, ConnectionsThatEndWhileTheyAreIdleAreNotMissed) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(add(*database, 1));
  ASSERT_EQ(count(*database), 1);
  proxy.cut();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(count(*database), 1);
  EXPECT_TRUE(add(*database, 2));
}

TEST_F(PostgresTest, ACommitWhoseAnswerIsLostIsDoneOnce) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(add(*database, 0));  // the first has a COMMIT more
  int attempts = 0;
  const auto write = [&](std::int64_t id) {
    attempts = 0;
    return database->write([&](Session& session) -> Result<> {
      ++attempts;
      session.run("INSERT INTO item (id) VALUES ($1)", {id});
      return {};
    });
  };
  proxy.cut_at(commit, true);
  EXPECT_TRUE(write(1));
  EXPECT_TRUE(proxy.has_cut());
  EXPECT_EQ(attempts, 1);
  EXPECT_EQ(count(*m_database), 2);

  proxy.cut_at(commit, false);  // the server never hears of it
  EXPECT_TRUE(write(2));
  EXPECT_TRUE(proxy.has_cut());
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(count(*m_database), 3);
}

TEST_F(PostgresTest, WhereverTheConnectionBreaksAWriteIsDoneOnce) {
  using Way = test::TcpProxy::Way;
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(add(*database, 0));
  ASSERT_TRUE(add(*database, 1));
  std::int64_t id = 2;
  const auto before = proxy.accepted();
  // About what a write sends and gets; what is beyond its end hits the next one.
  for (const auto& [way, bytes] : {std::pair{Way::to_server, 900}, std::pair{Way::to_client, 500}})
    for (int at = 0; at < bytes; at += 7) {
      proxy.cut_after(way, at);
      const auto written = add(*database, id);
      ASSERT_TRUE(written) << "after " << at << " bytes: " << written.error().message;
      ++id;
    }
  EXPECT_GT(proxy.accepted() - before, 80);
  EXPECT_EQ(count(*m_database), id);  // and no id twice, or it would have been refused
}

TEST_F(PostgresTest, WhereverTheConnectionBreaksAReadIsWholeOrFails) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(m_database->write([](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) SELECT * FROM generate_series(1, 20)");
    return {};
  }));
  int whole = 0;
  for (int at = 0; at < 700; at += 7) {
    proxy.cut_after(test::TcpProxy::Way::to_client, at);
    std::int64_t sum = 0;
    const auto read = database->read([&](Session& session) {
      sum = 0;
      session.run("SELECT id FROM item", {}, [&](const Row& row) { sum += row.integer(0); });
    });
    if (read) {
      ++whole;
      EXPECT_EQ(sum, 210);
    } else {
      EXPECT_EQ(read.error().failure, Failure::unavailable);
    }
  }
  EXPECT_GT(whole, 10);
  EXPECT_LT(whole, 100);
}

TEST_F(PostgresTest, ACommitThatNobodyKnowsOfIsSaidToBeSo) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(add(*database, 0));
  proxy.cut_at(commit, true);
  proxy.refuse();
  const auto written = add(*database, 1);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::io);
  EXPECT_THAT(written.error().message, HasSubstr("not known"));
  proxy.refuse(false);
  EXPECT_TRUE(add(*database, 2));
  EXPECT_EQ(count(*m_database), 3);  // it was done
}

TEST_F(PostgresTest, AServerThatSaysNothingIsGivenUp) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_EQ(count(*database), 0);
  proxy.stall();
  const auto begun = std::chrono::steady_clock::now();
  std::thread later([&] {
    std::this_thread::sleep_for(2500ms);
    proxy.stall(false);
  });
  EXPECT_EQ(count(*database), 0);  // on another connection, once one can be had
  EXPECT_TRUE(add(*database, 1));
  later.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
  EXPECT_EQ(count(*database), 1);
}

TEST_F(PostgresTest, AServerThatIsNotThereIsUnavailable) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(add(*database, 1));
  proxy.refuse();
  proxy.cut();
  const auto written = add(*database, 2);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::unavailable);
  EXPECT_THAT(written.error().message, HasSubstr("database 'slipway' at 127.0.0.1:"));
  EXPECT_EQ(count(*database).error().failure, Failure::unavailable);
  proxy.refuse(false);
  EXPECT_TRUE(add(*database, 2));
  EXPECT_EQ(count(*database), 2);
}

TEST_F(PostgresTest, AServerThatStartsAnewLosesNothing) {
  std::string process;
  ASSERT_TRUE(m_database->read([&](Session& session) {
    session.run("SELECT pg_read_file('postmaster.pid')", {}, [&](const Row& row) { process = row.text(0); });
  }));
  std::atomic<bool> done{false};
  std::set<std::int64_t> written;
  std::thread writer([&] {
    for (std::int64_t id = 0; !done; ++id) {
      const auto result = add(*m_database, id);
      if (result) written.insert(id);
      EXPECT_TRUE(result || result.error().failure == Failure::unavailable) << result.error().message;
    }
  });
  for (const int how : {SIGQUIT, SIGINT}) {  // a crash, and the end of all sessions
    std::this_thread::sleep_for(300ms);
    ASSERT_EQ(::kill(std::stoi(process), how), 0);
    const auto before = std::exchange(process, {});
    for (int i = 0; i < 300 && (process.empty() || process == before); ++i) {
      std::this_thread::sleep_for(100ms);
      static_cast<void>(m_database->read([&](Session& session) {
        session.run("SELECT pg_read_file('postmaster.pid')", {}, [&](const Row& row) { process = row.text(0); });
      }));
    }
  }
  std::this_thread::sleep_for(300ms);
  done = true;
  writer.join();
  std::set<std::int64_t> there;
  ASSERT_TRUE(m_database->read([&](Session& session) {
    session.run("SELECT id FROM item", {}, [&](const Row& row) { there.insert(row.integer(0)); });
  }));
  EXPECT_FALSE(written.empty());
  EXPECT_EQ(there, written);
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
  EXPECT_EQ(attempts, 3);
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
  EXPECT_EQ(add(*database, 1).error().failure, Failure::read_only);
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
