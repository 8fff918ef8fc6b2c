#pragma once
// PostgreSQL 15 or newer as a Database that several servers share.
//
// Writes: one writer thread a process takes what waits, gives each write a SAVEPOINT of its own, and commits them
// together. Each such transaction begins by taking one lock of the whole database: so all writes of all processes come
// one after another, READ COMMITTED suffices, and what a sequence gives out is in the order of commits. The server ends
// a transaction that pauses, so that a process that is stopped with the lock does not stop the others.
//
// Each also leaves a mark in a table of the driver's own, write_mark. Where the connection breaks during the COMMIT,
// the next to hold the lock can see whether the mark is there: unlike a transaction's number, which is given out again
// after a crash, it cannot be another's. What was undone is run again.
//
// Reads: a bounded pool of connections, one state each (REPEATABLE READ). Lookups that wait are sent together, after
// they came: those of one text as one statement, which sees one state, and equal ones once; so a lookup is no older
// than its call, and a name that many ask for costs little. One that nobody could ask for within ten seconds is told
// that the database is slow.
//
// The connection has to be to the server itself, or by way of a pooler that gives whole sessions. Durable is what the
// server calls committed: where a standby may take its place, it has to wait for that one (synchronous_standby_names).

#include "sql/database.hpp"
#include "sql/lookup_queue.hpp"
#include "sql/postgres_connection.hpp"
#include "sql/write_queue.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace slipway::sql {

struct PostgresOptions {
  std::string url;                 ///< see PostgresAddress
  std::size_t readers_max = 10;    ///< connections, besides the writer's
  std::string client = "slipway";  ///< see PostgresAddress
  PostgresPatience patience;
};

class PostgresDatabase final : public Database {
public:
  /// As PostgresAddress::parse() and PostgresConnection::open(). Makes no tables.
  static Result<std::unique_ptr<PostgresDatabase>> open(PostgresOptions options);
  /// Waiting writes are finished first.
  ~PostgresDatabase() override;

  /// unavailable, for now, where the server is; busy where all connections are taken for long.
  Result<> read(const std::function<void(Session&)>& work) override;
  Result<> look_up(std::string_view text, std::span<const Parameter> parameters,
                   const std::function<void(const Row&)>& each) override;
  using Database::look_up;
  Result<> write(const std::function<Result<>(Session&)>& work) override;
  void set_read_only(bool read_only) override { m_read_only = read_only; }
  bool is_read_only() const override { return m_read_only; }
  Dialect dialect() const override { return Dialect::postgres; }
  bool is_shared() const override { return true; }
  Result<std::vector<std::string>> risks() override;

private:
  using Job = WriteQueue::Job;
  using Jobs = std::vector<Job*>;
  using Lookup = LookupQueue::Lookup;
  enum class Then { done, again };

  PostgresDatabase(PostgresAddress address, PostgresOptions options);

  Result<std::unique_ptr<PostgresConnection>> borrow();
  void give_back(std::unique_ptr<PostgresConnection> connection);

  static void end_read(PostgresConnection& connection);
  void ask_together(const std::vector<Lookup*>& lookups);

  void run_together(const Jobs& jobs);
  Then try_together(Jobs& jobs);
  Result<> begin();
  Result<> make_table_of_marks();
  void run_in_savepoint(Job& job);
  Then give_up(const Jobs& jobs, const Error& why);
  Result<> commit(const std::vector<PostgresConnection::CommitHooks>& hooks, bool& again);
  Result<> find_outcome(bool& again);
  Result<bool> has_mark();

  const PostgresAddress m_address;
  const PostgresOptions m_options;
  std::atomic<bool> m_read_only{false};

  std::unique_ptr<PostgresConnection> m_writer;  // the writer thread's alone, as are the next three
  const std::string m_mark;                      // this object's name
  std::int64_t m_batch = 0;                      // counts its transactions
  bool m_has_table = false;                      // of marks

  std::mutex m_readers_mutex;  // guards the pool
  std::condition_variable m_reader_free;
  std::vector<std::unique_ptr<PostgresConnection>> m_free_readers;
  std::size_t m_readers = 0;

  LookupQueue m_lookups;

  std::unique_ptr<WriteQueue> m_queue;  // the last: its thread uses the others
};

}  // namespace slipway::sql
