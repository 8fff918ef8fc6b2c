// PostgreSQL behind connections that break, stall and are refused, and a server that dies.

#include "postgres_fixture.hpp"

#include <csignal>
#include <set>

namespace slipway::sql {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// As it is on the wire, with the zero that tells it from READ COMMITTED.
const auto commit = std::string("COMMIT") + '\0';

class PostgresBroken : public PostgresTest {};

TEST_F(PostgresBroken, AWriteWhoseConnectionEndsIsRunAgain) {
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

TEST_F(PostgresBroken, AReadThatSawARowIsNotRunAgain) {
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

TEST_F(PostgresBroken, ConnectionsThatEndWhileTheyAreIdleAreNotMissed) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(add(*database, 1));
  ASSERT_EQ(count(*database), 1);
  proxy.cut();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(count(*database), 1);
  EXPECT_TRUE(add(*database, 2));
}

TEST_F(PostgresBroken, ACommitWhoseAnswerIsLostIsDoneOnce) {
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

TEST_F(PostgresBroken, WhereverTheConnectionBreaksAWriteIsDoneOnce) {
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

TEST_F(PostgresBroken, WhereverTheConnectionBreaksAReadIsWholeOrFails) {
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

TEST_F(PostgresBroken, WhereverTheConnectionBreaksALookupIsWholeOrFails) {
  test::TcpProxy proxy(server_port());
  const auto database = open(through(proxy));
  ASSERT_TRUE(m_database->write([](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) SELECT * FROM generate_series(1, 20)");
    return {};
  }));
  std::atomic<int> whole{0};
  for (int at = 0; at < 1400; at += 14) {
    proxy.cut_after(test::TcpProxy::Way::to_client, at);
    std::vector<std::thread> threads;
    for (std::int64_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        std::int64_t sum = 0;
        const auto found =
            database->look_up("SELECT id FROM item WHERE id > $1", {t}, [&](const Row& row) { sum += row.integer(0); });
        if (found) {
          ++whole;
          EXPECT_EQ(sum, 210 - t * (t + 1) / 2);
        } else {
          EXPECT_EQ(found.error().failure, Failure::unavailable);
        }
      });
    for (auto& thread : threads) thread.join();
  }
  EXPECT_GT(whole, 100);
}

TEST_F(PostgresBroken, ACommitThatNobodyKnowsOfIsSaidToBeSo) {
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

TEST_F(PostgresBroken, AServerThatSaysNothingIsGivenUp) {
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

TEST_F(PostgresBroken, AServerThatIsNotThereIsUnavailable) {
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

TEST_F(PostgresBroken, AServerThatStartsAnewLosesNothing) {
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

}  // namespace
}  // namespace slipway::sql
