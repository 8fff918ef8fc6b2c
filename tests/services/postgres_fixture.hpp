#pragma once
// A table in a schema of its own, and a database that is impatient, for tests of the driver.

#include "postgres_place.hpp"
#include "support/tcp_proxy.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace slipway::sql {

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
  static constexpr std::chrono::seconds second{1};
  const PostgresPatience m_patience{
      .lock = 10 * second, .statement = 20 * second, .pause = second, .silence = 2 * second, .outcome = 3 * second};
  std::unique_ptr<PostgresDatabase> m_database = open();
};

}  // namespace slipway::sql
