#pragma once
// Where the tests' database is, as support/postgres_server.py says; a schema of its own for each test.

#include "base/random.hpp"
#include "sql/postgres.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace slipway::sql {

inline std::string test_postgres() {
  const auto* url = std::getenv("SLIPWAY_TEST_POSTGRES");
  if (!url) throw std::runtime_error("SLIPWAY_TEST_POSTGRES is not set: support/postgres_server.py sets it");
  return url;
}

/// Exists as long as this object does.
class TestSchema {
public:
  TestSchema() : m_name("t_" + random_hex(8)) { run("CREATE SCHEMA " + m_name); }
  TestSchema(const TestSchema&) = delete;
  ~TestSchema() {
    try {
      run("DROP SCHEMA " + m_name + " CASCADE");
    } catch (const std::exception&) {  // the server goes anyhow
    }
  }

  /// Where all tables are this test's. `at` another place than the server itself, such as a proxy.
  std::string url(const std::string& at = test_postgres()) const { return at + "?options=-csearch_path%3D" + m_name; }

private:
  static void run(const std::string& statement) {
    const auto address = PostgresAddress::parse(test_postgres()).value();
    const auto connection = PostgresConnection::open(address, {});
    if (!connection) throw std::runtime_error(connection.error().message);
    if (const auto done = (*connection)->script(statement.c_str()); !done)
      throw std::runtime_error(done.error().message);
  }

  const std::string m_name;
};

}  // namespace slipway::sql
