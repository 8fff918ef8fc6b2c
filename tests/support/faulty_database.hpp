#pragma once
// A Database that passes everything on to another, but for the one transaction that its plans let fail.

#include "sql/database.hpp"
#include "support/fault_plan.hpp"

namespace slipway::test {

class FaultyDatabase final : public sql::Database {
public:
  explicit FaultyDatabase(sql::Database& database) : m_database(database) {}

  FaultPlan reads;
  FaultPlan writes;   ///< before: the transaction never begins; after: it is committed, and the answer is lost
  FaultPlan commits;  ///< the work is done, and then undone

  Result<> read(const std::function<void(sql::Session&)>& work) override {
    return reads.run([&] { return m_database.read(work); });
  }

  Result<> write(const std::function<Result<>(sql::Session&)>& work) override {
    return writes.run([&] {
      return m_database.write([&](sql::Session& session) -> Result<> {
        TRY(work(session));
        return commits.run([] { return Result<>(); });
      });
    });
  }

  void set_read_only(bool read_only) override { m_database.set_read_only(read_only); }
  bool is_read_only() const override { return m_database.is_read_only(); }
  sql::Dialect dialect() const override { return m_database.dialect(); }
  bool is_shared() const override { return m_database.is_shared(); }

private:
  sql::Database& m_database;
};

}  // namespace slipway::test
