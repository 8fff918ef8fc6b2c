#pragma once
// SQLite as a Database: WAL, synchronous=FULL, one writer thread, a bounded pool of reading connections.
//
// The writer takes what waits, gives each write a SAVEPOINT of its own, and commits them together: many small writes
// cost one flush. Waiting writers are answered after it. Where a failure makes SQLite undo the whole transaction (a
// full disk), the writes of the batch are run again one by one, so that each gets its own answer.

#include "sql/database.hpp"
#include "sql/sqlite_connection.hpp"
#include "sql/write_queue.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

namespace slipway::sql {

/// Copies a database, as it is at one moment, to a new file. Others may write to it meanwhile.
Result<> copy_sqlite(const std::filesystem::path& from, const std::filesystem::path& to);
/// Makes a database that nobody uses one file, which needs no log beside it and can be read where nothing can be
/// written.
Result<> settle_sqlite(const std::filesystem::path& file);

/// Failure::corrupt where a row of a database that nobody uses refers to one that is not there.
Result<> check_sqlite(const std::filesystem::path& file);

class SqliteDatabase final : public Database {
public:
  /// Creates the file if it is missing; a read-only mode opens an existing one and refuses every write.
  static Result<std::unique_ptr<SqliteDatabase>> open(const std::filesystem::path& file,
                                                      SqliteMode mode = SqliteMode::read_write);
  /// Waiting writes are finished first.
  ~SqliteDatabase() override;

  Result<> read(const std::function<void(Session&)>& work) override;
  Result<> write(const std::function<Result<>(Session&)>& work) override;
  void set_read_only(bool read_only) override { m_read_only = read_only; }
  bool is_read_only() const override { return m_read_only; }
  Dialect dialect() const override { return Dialect::sqlite; }
  bool is_shared() const override { return false; }

private:
  using Job = WriteQueue::Job;

  SqliteDatabase(std::filesystem::path file) : m_file(std::move(file)) {}
  void run_together(const std::vector<Job*>& jobs);
  bool run_in_savepoint(Job& job);
  Result<> commit(const std::vector<SqliteConnection::CommitHooks>& hooks);
  std::unique_ptr<SqliteConnection> borrow(Result<>& problem);
  void give_back(std::unique_ptr<SqliteConnection> connection);

  const std::filesystem::path m_file;
  std::atomic<bool> m_read_only{false};
  std::unique_ptr<SqliteConnection> m_writer;  // the writer thread's alone

  std::mutex m_readers_mutex;  // guards the pool
  std::condition_variable m_reader_free;
  std::vector<std::unique_ptr<SqliteConnection>> m_free_readers;
  std::size_t m_readers = 0;

  std::unique_ptr<WriteQueue> m_queue;  // the last: its thread uses the others
};

}  // namespace slipway::sql
