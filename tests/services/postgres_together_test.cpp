// Statements that are asked together: one text with many sets of parameters is one statement, and each gets its own
// rows.

#include "postgres_place.hpp"
#include "sql/postgres_connection.hpp"
#include "sql/postgres_parameters.hpp"

#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace slipway::sql {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Sets = std::vector<std::vector<Parameter>>;
using RowsOfSets = std::vector<std::vector<std::string>>;

class PostgresTogether : public testing::Test {
protected:
  PostgresTogether() {
    auto opened = PostgresConnection::open(PostgresAddress::parse(m_schema.url()).value(), {});
    if (!opened) throw std::runtime_error(opened.error().message);
    m_connection = std::move(*opened);
  }

  static PostgresConnection::Statement statement(std::string_view text, const Sets& sets, RowsOfSets& rows) {
    rows.resize(sets.size());
    PostgresConnection::Statement out{.text = text, .sets = {}, .each = [&rows](std::size_t set, const Row& row) {
                                        rows[set].emplace_back(row.text(0));
                                      }};
    out.sets.assign(sets.begin(), sets.end());
    return out;
  }

  const TestSchema m_schema;
  std::unique_ptr<PostgresConnection> m_connection;
};

TEST_F(PostgresTogether, EachSetGetsItsRowsInItsOrder) {
  const Sets sets = {{std::int64_t{3}}, {std::int64_t{0}}, {std::int64_t{2}}};
  RowsOfSets rows;
  const auto wanted = statement("SELECT CAST(n AS TEXT) FROM generate_series(1, $1) AS n ORDER BY n DESC", sets, rows);
  for (int i = 0; i < 2; ++i) {
    rows.assign(3, {});
    EXPECT_EQ(m_connection->run_together({&wanted, 1}), 1U);
    EXPECT_THAT(rows, ElementsAre(ElementsAre("3", "2", "1"), IsEmpty(), ElementsAre("2", "1")));
  }
}

TEST_F(PostgresTogether, ALimitIsThatOfEachSet) {
  const Sets sets = {{std::int64_t{1}}, {std::int64_t{5}}};
  RowsOfSets rows;
  const auto wanted =
      statement("SELECT CAST(n AS TEXT) FROM generate_series($1, 9) AS n ORDER BY n LIMIT 1", sets, rows);
  EXPECT_EQ(m_connection->run_together({&wanted, 1}), 1U);
  EXPECT_THAT(rows, ElementsAre(ElementsAre("1"), ElementsAre("5")));
}

TEST_F(PostgresTogether, ValuesOfEachTypeArriveAsTheyAre) {
  const std::string bytes("\x00\xff{},\"\\", 7);
  const std::string text = "{a,\"b\"}, 'NULL' \\ \xc3\xbc";
  Sets sets;
  for (const std::int64_t number : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max()}) {
    sets.push_back({number, std::string_view(text), as_bytes(bytes)});
    sets.push_back({number, std::string_view(), ByteView()});
  }
  RowsOfSets rows;
  const auto wanted = statement("SELECT CAST($1 AS TEXT) || '|' || $2 || '|' || encode($3, 'hex')", sets, rows);
  EXPECT_EQ(m_connection->run_together({&wanted, 1}), 1U);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto number = std::to_string(std::get<std::int64_t>(sets[i][0]));
    EXPECT_THAT(rows[i], ElementsAre(number + (i % 2 == 0 ? "|" + text + "|00ff7b7d2c225c" : "||")));
  }
}

TEST_F(PostgresTogether, WhatComesAfterAFailureIsNotAnswered) {
  const Sets good = {{std::int64_t{1}}, {std::int64_t{2}}};
  const Sets bad = {{std::int64_t{1}}, {std::int64_t{0}}};
  std::array<RowsOfSets, 3> rows;
  const PostgresConnection::Statement wanted[] = {statement("SELECT CAST($1 AS TEXT)", good, rows[0]),
                                                  statement("SELECT CAST(1 / $1 AS TEXT)", bad, rows[1]),
                                                  statement("SELECT CAST($1 + 1 AS TEXT)", good, rows[2])};
  EXPECT_EQ(m_connection->run_together(wanted), 1U);
  EXPECT_THAT(rows[0], ElementsAre(ElementsAre("1"), ElementsAre("2")));
  EXPECT_THAT(rows[1], ElementsAre(IsEmpty(), IsEmpty()));
  EXPECT_THAT(rows[2], ElementsAre(IsEmpty(), IsEmpty()));
  ASSERT_FALSE(m_connection->is_lost());
  EXPECT_EQ(m_connection->run_together({&wanted[2], 1}), 1U);  // it is not known whether that was prepared
  EXPECT_THAT(rows[2], ElementsAre(ElementsAre("2"), ElementsAre("3")));
}

/// The plan is the one the text has alone, whatever PostgreSQL thinks of how many are asked for.
TEST_F(PostgresTogether, EachSetIsLookedUpByTheIndex) {
  ASSERT_TRUE(m_connection->script("CREATE TABLE named (id BIGINT PRIMARY KEY, name TEXT NOT NULL); "
                                   "INSERT INTO named SELECT n, 'name' || n FROM generate_series(1, 20000) AS n; "
                                   "ANALYZE named; SET plan_cache_mode = force_generic_plan"));
  const auto many = text_of_many("SELECT name FROM named WHERE id = $1", 1);
  ASSERT_TRUE(m_connection->script(("PREPARE many (BIGINT[]) AS " + many).c_str()));
  std::string plan;
  m_connection->run("EXPLAIN EXECUTE many ('{1,2}')", {},
                    [&](const Row& row) { plan += std::string(row.text(0)) + '\n'; });
  EXPECT_THAT(plan, testing::HasSubstr("Index Scan using named_pkey")) << plan;
  EXPECT_THAT(plan, testing::Not(testing::HasSubstr("Seq Scan"))) << plan;
}

}  // namespace
}  // namespace slipway::sql
