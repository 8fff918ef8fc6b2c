// What every database promises, whatever it is.

#include "database_ground.hpp"

#include <atomic>
#include <future>
#include <latch>
#include <thread>

namespace slipway::sql {
namespace {

class DatabaseContract : public testing::TestWithParam<DatabaseKind> {
protected:
  DatabaseContract() { open(); }

  void open() {
    m_database = m_ground->open();
    const bool is_sqlite = m_database->dialect() == Dialect::sqlite;
    const auto* table =
        is_sqlite ? "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB) STRICT"
                  : "CREATE TABLE IF NOT EXISTS item (id BIGINT PRIMARY KEY, name TEXT UNIQUE, bytes BYTEA)";
    ASSERT_TRUE(m_database->write([&](Session& session) { return session.script(table); }));
  }

  Result<> add(std::int64_t id, std::string_view name = "") {
    return m_database->write([&](Session& session) -> Result<> {
      session.run("INSERT INTO item (id, name) VALUES ($1, $2)",
                  {id, name.empty() ? Parameter(nullptr) : Parameter(name)});
      return {};
    });
  }

  std::int64_t count() {
    std::int64_t out = -1;
    EXPECT_TRUE(
        m_database->read([&](Session& session) { out = session.number("SELECT COUNT(*) FROM item").value_or(-1); }));
    return out;
  }

  std::unique_ptr<DatabaseGround> m_ground = GetParam().make();
  std::unique_ptr<Database> m_database;
};
INSTANTIATE_FOR_DATABASES(DatabaseContract);

TEST_P(DatabaseContract, GivesBackEveryKindOfValue) {
  const std::string zeros("a\0b", 3);
  ASSERT_TRUE(m_database->write([&](Session& session) -> Result<> {
    EXPECT_EQ(session.run("INSERT INTO item (id, name, bytes) VALUES ($1, $2, $3)",
                          {std::int64_t{-7}, std::string_view("grüße"), as_bytes(zeros)}),
              1);
    session.run("INSERT INTO item (id, name, bytes) VALUES ($1, $2, $3)", {std::int64_t{8}, nullptr, nullptr});
    return {};
  }));
  int rows = 0;
  ASSERT_TRUE(m_database->read([&](Session& session) {
    session.run("SELECT id, name, bytes FROM item ORDER BY id", {}, [&](const Row& row) {
      if (++rows == 1) {
        EXPECT_EQ(row.integer(0), -7);
        EXPECT_EQ(row.text(1), "grüße");
        EXPECT_EQ(as_text(row.blob(2)), zeros);
        EXPECT_FALSE(row.is_null(2));
      } else {
        EXPECT_TRUE(row.is_null(1));
        EXPECT_EQ(row.text(1), "");
        EXPECT_EQ(row.integer(1), 0);
        EXPECT_TRUE(row.blob(2).empty());
      }
    });
  }));
  EXPECT_EQ(rows, 2);
}

TEST_P(DatabaseContract, TellsEmptyTextAndBytesFromNull) {
  ASSERT_TRUE(m_database->write([](Session& session) -> Result<> {
    session.run("INSERT INTO item (id, name, bytes) VALUES (1, $1, $2)", {std::string_view(), ByteView()});
    return {};
  }));
  ASSERT_TRUE(m_database->read([](Session& session) {
    EXPECT_EQ(session.number("SELECT name IS NOT NULL AND bytes IS NOT NULL FROM item"), 1);
  }));
}

TEST_P(DatabaseContract, BindsByNumberInWhateverOrderTheyAppear) {
  ASSERT_TRUE(m_database->read([](Session& session) {
    EXPECT_EQ(session.number("SELECT $2 - $1 + $2 * 0", {std::int64_t{3}, std::int64_t{10}}), 7);
  }));
}

TEST_P(DatabaseContract, AnEmptyAnswerAndNullAreNoNumber) {
  ASSERT_TRUE(m_database->read([](Session& session) {
    EXPECT_EQ(session.number("SELECT id FROM item"), std::nullopt);
    EXPECT_EQ(session.number("SELECT MAX(id) FROM item"), std::nullopt);
    EXPECT_EQ(session.number("SELECT 0"), 0);
  }));
}

TEST_P(DatabaseContract, AnErrorOfTheWorkUndoesIt) {
  const auto written = m_database->write([](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    return fail(Failure::conflict, "changed my mind");
  });
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::conflict);
  EXPECT_EQ(written.error().message, "changed my mind");
  EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContract, AFailedStatementUndoesTheWholeWork) {
  const auto written = m_database->write([](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    session.run("INSERT INTO item (id) VALUES (1)");
    ADD_FAILURE() << "the second insert did not throw";
    return {};
  });
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::conflict);
  EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContract, AnyExceptionUndoesTheWorkAndIsTold) {
  const auto written = m_database->write([](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    throw std::runtime_error("surprise");
  });
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().failure, Failure::io);
  EXPECT_EQ(written.error().message, "surprise");
  EXPECT_EQ(count(), 0);
  EXPECT_TRUE(add(2));
}

TEST_P(DatabaseContract, AFailingReadIsToldAndTheConnectionGoesOn) {
  const auto read = m_database->read([](Session& session) { session.run("SELECT * FROM absent"); });
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("absent"), std::string::npos);
  EXPECT_FALSE(m_database->read([](Session&) { throw std::runtime_error("surprise"); }));
  EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContract, AReaderCannotWrite) {
  EXPECT_FALSE(m_database->read([](Session& session) { session.run("INSERT INTO item (id) VALUES (1)"); }));
  EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContract, AReadSeesOneState) {
  std::latch began{1};
  std::latch written{1};
  auto reading = std::async(std::launch::async, [&] {
    std::pair<std::int64_t, std::int64_t> seen;
    EXPECT_TRUE(m_database->read([&](Session& session) {
      seen.first = session.number("SELECT COUNT(*) FROM item").value();
      began.count_down();
      written.wait();
      seen.second = session.number("SELECT COUNT(*) FROM item").value();
    }));
    return seen;
  });
  began.wait();
  EXPECT_TRUE(add(1));
  written.count_down();
  EXPECT_EQ(reading.get(), (std::pair<std::int64_t, std::int64_t>{0, 0}));
  EXPECT_EQ(count(), 1);
}

TEST_P(DatabaseContract, WritesThatWaitFailAlone) {
  // The first write holds the writer until the others wait; of them every third breaks a rule, and every third gives
  // up.
  std::latch holding{1};
  std::promise<void> go_on;
  auto first = std::async(std::launch::async, [&] {
    return m_database->write([&, go_on = go_on.get_future().share()](Session& session) -> Result<> {
      holding.count_down();
      go_on.wait();
      session.run("INSERT INTO item (id, name) VALUES (1000, 'taken')");
      return {};
    });
  });
  holding.wait();
  std::atomic<int> commits{0};
  std::vector<std::future<Result<>>> waiting;
  for (int i = 0; i < 30; ++i)
    waiting.push_back(std::async(std::launch::async, [&, i] {
      return m_database->write([&, i](Session& session) -> Result<> {
        session.run("INSERT INTO item (id) VALUES ($1)", {std::int64_t{i}});
        session.around_commit([&] { ++commits; }, [] {});
        if (i % 3 == 1) session.run("UPDATE item SET name = 'taken' WHERE id = $1", {std::int64_t{i}});
        if (i % 3 == 2) return fail(Failure::invalid, "no");
        return {};
      });
    }));
  go_on.set_value();
  EXPECT_TRUE(first.get());
  for (int i = 0; i < 30; ++i) {
    const auto result = waiting[static_cast<std::size_t>(i)].get();
    EXPECT_EQ(result.has_value(), i % 3 == 0) << i;
    if (i % 3 == 1) {
      EXPECT_EQ(result.error().failure, Failure::conflict) << i;
    }
  }
  EXPECT_EQ(count(), 11);
  EXPECT_EQ(commits, 10);  // hooks of what failed were dropped
}

TEST_P(DatabaseContract, WritesThatWaitShareACommit) {
  // How many wait when the writer comes back is the scheduler's choice: one shared commit in many tries is enough.
  int most = 0;
  for (int attempt = 0; attempt < 200 && most < 2; ++attempt) {
    std::atomic<int> beginning{0};
    std::latch holding{1};
    std::promise<void> go_on;
    auto first = std::async(std::launch::async, [&] {
      return m_database->write([&, go = go_on.get_future().share()](Session&) -> Result<> {
        holding.count_down();
        go.wait();
        return {};
      });
    });
    holding.wait();
    std::vector<std::future<Result<>>> waiting;
    for (int i = 0; i < 4; ++i)
      waiting.push_back(std::async(std::launch::async, [&, i, attempt] {
        return m_database->write([&, i, attempt](Session& session) -> Result<> {
          session.run("INSERT INTO item (id) VALUES ($1)", {std::int64_t{attempt * 10 + i}});
          session.around_commit([&] { most = std::max(most, ++beginning); }, [&] { --beginning; });
          return {};
        });
      }));
    go_on.set_value();
    EXPECT_TRUE(first.get());
    for (auto& write : waiting) EXPECT_TRUE(write.get());
  }
  EXPECT_GE(most, 2);
}

TEST_P(DatabaseContract, HooksRunAroundTheCommitAndBeforeTheAnswer) {
  std::vector<std::string> order;
  const auto rows_seen_outside = [&] {
    return std::to_string(std::async(std::launch::async, [&] { return count(); }).get());
  };
  ASSERT_TRUE(m_database->write([&](Session& session) -> Result<> {
    session.run("INSERT INTO item (id) VALUES (1)");
    session.around_commit([&] { order.push_back("begin " + rows_seen_outside()); },
                          [&] { order.push_back("end " + rows_seen_outside()); });
    order.emplace_back("work");
    return {};
  }));
  order.emplace_back("answer");
  EXPECT_EQ(order, (std::vector<std::string>{"work", "begin 0", "end 1", "answer"}));
}

TEST_P(DatabaseContract, HooksOfAWriteThatFailedNeverRun) {
  bool ran = false;
  EXPECT_FALSE(m_database->write([&](Session& session) -> Result<> {
    session.around_commit([&] { ran = true; }, [&] { ran = true; });
    return fail(Failure::invalid, "no");
  }));
  EXPECT_TRUE(add(1));
  EXPECT_FALSE(ran);
}

TEST_P(DatabaseContract, RefusesWritesWhileReadOnly) {
  m_database->set_read_only(true);
  EXPECT_TRUE(m_database->is_read_only());
  const auto refused = add(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::read_only);
  EXPECT_EQ(count(), 0);
  m_database->set_read_only(false);
  EXPECT_TRUE(add(1));
}

TEST_P(DatabaseContract, ManyWritersLoseNothing) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) EXPECT_TRUE(add(t * 1000 + i));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count(), 200);
}

TEST_P(DatabaseContract, MoreReadersThanConnectionsAllGetTheirTurn) {
  ASSERT_TRUE(add(1));
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 40; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i)
        if (count() == 1) ++good;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 200);
}

TEST_P(DatabaseContract, ALookupGivesTheRowsOfOneStatement) {
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(add(i));
  std::vector<std::int64_t> seen;
  const auto note = [&](const Row& row) { seen.push_back(row.integer(0)); };
  ASSERT_TRUE(m_database->look_up("SELECT id FROM item WHERE id >= $1 ORDER BY id", {std::int64_t{2}}, note));
  EXPECT_EQ(seen, std::vector<std::int64_t>({2, 3}));
  ASSERT_TRUE(m_database->look_up("SELECT id FROM item WHERE id > $1", {std::int64_t{3}}, note));
  EXPECT_EQ(seen.size(), 2U);
}

TEST_P(DatabaseContract, LookupsAtOnceEachGetTheirOwnRows) {
  constexpr int items = 40;
  for (int i = 0; i < items; ++i) ASSERT_TRUE(add(i, "name" + std::to_string(i)));
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const std::int64_t id = (t % 4 == 0 ? i : i * 7 + t) % items;  // some of them the same at the same time
        std::vector<std::string> names;
        const auto found = m_database->look_up("SELECT name FROM item WHERE id = $1", {id},
                                               [&](const Row& row) { names.emplace_back(row.text(0)); });
        ASSERT_TRUE(found) << found.error().message;
        ASSERT_EQ(names, std::vector<std::string>({"name" + std::to_string(id)}));
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST_P(DatabaseContract, ALookupOfOthersTextIsNotTakenForTheirs) {
  constexpr int items = 10;
  for (int i = 0; i < items; ++i) ASSERT_TRUE(add(i, "name" + std::to_string(i)));
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        const std::int64_t from = (i + t) % (items + 2), count = t % 4;  // some find nothing
        std::vector<std::int64_t> ids, wanted;
        for (auto id = from; id < std::min<std::int64_t>(from + count, items); ++id) wanted.push_back(id);
        const auto name = "name" + std::to_string(from);
        const auto found =
            m_database->look_up("SELECT id FROM item WHERE (id > $1 OR name = $2) AND id >= $1 ORDER BY id LIMIT $3",
                                {from, name, count}, [&](const Row& row) { ids.push_back(row.integer(0)); });
        ASSERT_TRUE(found) << found.error().message;
        ASSERT_EQ(ids, wanted);
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST_P(DatabaseContract, ALookupThatFailsFailsAlone) {
  ASSERT_TRUE(add(1));
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 30; ++i) {
        int rows = 0;
        const auto count_rows = [&](const Row&) { ++rows; };
        if (t % 3 == 0) {
          const auto* text = i % 2 == 0 ? "SELECT nothing FROM item WHERE id = $1" : "SELECT nothing FROM item";
          const Parameter id = std::int64_t{t};
          EXPECT_FALSE(m_database->look_up(text, std::span(&id, i % 2 == 0 ? 1 : 0), count_rows));
          EXPECT_EQ(rows, 0);
        } else if (t % 3 == 1) {
          const auto thrown =
              m_database->look_up("SELECT id FROM item", {}, [](const Row&) { throw std::bad_alloc(); });
          EXPECT_FALSE(thrown);
        } else {
          EXPECT_TRUE(m_database->look_up("SELECT id FROM item", {}, count_rows));
          EXPECT_EQ(rows, 1);
        }
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST_P(DatabaseContract, ALookupSeesWhatWasAnsweredBeforeIt) {
  constexpr std::int64_t writes = 150;
  std::atomic<std::int64_t> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (std::int64_t least = 0; least < writes;) {
        least = answered;
        std::int64_t seen = 0;
        ASSERT_TRUE(m_database->look_up("SELECT COALESCE(MAX(id), 0) FROM item", {},
                                        [&](const Row& row) { seen = row.integer(0); }));
        ASSERT_GE(seen, least);
      }
    });
  for (std::int64_t i = 1; i <= writes; ++i) {
    const auto added = add(i);
    EXPECT_TRUE(added) << added.error().message;
    answered = i;
  }
  for (auto& thread : threads) thread.join();
}

TEST_P(DatabaseContract, ClosingWaitsForWritesThatWait) {
  std::latch holding{1};
  std::promise<void> go_on;
  std::vector<std::future<Result<>>> writes;
  writes.push_back(std::async(std::launch::async, [&] {
    return m_database->write([&](Session& session) -> Result<> {
      holding.count_down();
      go_on.get_future().wait();
      session.run("INSERT INTO item (id) VALUES (1)");
      return {};
    });
  }));
  holding.wait();
  auto closing = std::async(std::launch::async, [&] { m_database.reset(); });
  go_on.set_value();
  closing.get();
  EXPECT_TRUE(writes.front().get());
  open();
  EXPECT_EQ(count(), 1);
}

TEST_P(DatabaseContract, WhatWasAnsweredIsThereAfterReopening) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(add(i));
  m_database.reset();
  open();
  EXPECT_EQ(count(), 10);
}

TEST_P(DatabaseContract, KeepsForeignKeys) {
  EXPECT_FALSE(m_database->write([](Session& session) -> Result<> {
    session.run("CREATE TABLE part (item INTEGER NOT NULL REFERENCES item(id))");
    session.run("INSERT INTO part (item) VALUES (99)");
    return {};
  }));
}

}  // namespace
}  // namespace slipway::sql
