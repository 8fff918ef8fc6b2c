#include "sql/sqlite.hpp"

#include <algorithm>

namespace slipway::sql {
namespace {

constexpr std::size_t readers_max = 16;
constexpr std::size_t batch_max = 128;

}  // namespace

Result<> copy_sqlite(const std::filesystem::path& from, const std::filesystem::path& to) {
  TRY_ASSIGN(const auto source, SqliteConnection::open(from.string(), SqliteMode::read_only));
  TRY_ASSIGN(const auto target, SqliteConnection::open(to.string(), SqliteMode::read_write));
  return target->copy_from(*source);
}

Result<> settle_sqlite(const std::filesystem::path& file) {
  TRY_ASSIGN(const auto connection, SqliteConnection::open(file.string(), SqliteMode::read_write));
  TRY(connection->script("PRAGMA journal_mode=DELETE;"));
  connection->keep_log(false);
  return {};
}

Result<> check_sqlite(const std::filesystem::path& file) {
  TRY_ASSIGN(const auto connection, SqliteConnection::open(file.string(), SqliteMode::read_only));
  std::string broken;
  try {
    connection->run("SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1", {}, [&](const Row& row) {
      broken = std::string(row.text(0)) + " refers to no " + std::string(row.text(1));
    });
  } catch (const StatementFailed& failed) {
    return std::unexpected(failed.error());
  }
  return broken.empty() ? Result<>() : fail(Failure::corrupt, file.string() + ": a row of " + broken);
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::filesystem::path& file, SqliteMode mode) {
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(file));
  const bool read_only = mode == SqliteMode::read_only;
  database->m_read_only = read_only;
  TRY_ASSIGN(database->m_writer, SqliteConnection::open(file.string(), mode));
  if (!read_only) {
    // A long read, such as a copy, lets the log grow; afterwards it gives the room back.
    constexpr auto* prepare = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864; "
                              "BEGIN IMMEDIATE; COMMIT;";
    if (auto ready = database->m_writer->script(prepare); !ready)
      return std::unexpected(ready.error().during(file.string()));
    database->m_writer->keep_log(false);  // it could write
  }
  auto& self = *database;
  database->m_queue =
      std::make_unique<WriteQueue>(batch_max, [&self](const std::vector<Job*>& jobs) { self.run_together(jobs); });
  return database;
}

SqliteDatabase::~SqliteDatabase() = default;

// ---- reading

std::unique_ptr<SqliteConnection> SqliteDatabase::borrow(Result<>& problem) {
  std::unique_lock lock(m_readers_mutex);
  m_reader_free.wait(lock, [this] { return !m_free_readers.empty() || m_readers < readers_max; });
  if (!m_free_readers.empty()) {
    auto connection = std::move(m_free_readers.back());
    m_free_readers.pop_back();
    return connection;
  }
  ++m_readers;
  lock.unlock();
  auto connection = SqliteConnection::open(m_file.string(), SqliteMode::read_only);
  if (connection) return std::move(*connection);
  problem = std::unexpected(std::move(connection).error());
  lock.lock();
  --m_readers;
  m_reader_free.notify_one();
  return nullptr;
}

void SqliteDatabase::give_back(std::unique_ptr<SqliteConnection> connection) {
  {
    const std::lock_guard lock(m_readers_mutex);
    m_free_readers.push_back(std::move(connection));
  }
  m_reader_free.notify_one();
}

Result<> SqliteDatabase::read(const std::function<void(Session&)>& work) {
  Result<> result;
  auto connection = borrow(result);
  if (!connection) return result;
  result = guarded([&]() -> Result<> {
    connection->run("BEGIN");
    work(*connection);
    connection->run("COMMIT");
    return {};
  });
  if (connection->in_transaction()) static_cast<void>(connection->script("ROLLBACK"));
  give_back(std::move(connection));
  return result;
}

// ---- writing

Result<> SqliteDatabase::write(const std::function<Result<>(Session&)>& work) {
  if (m_read_only) return fail(Failure::read_only, "the server is in read-only mode");
  return m_queue->write(work);
}

void SqliteDatabase::run_together(const std::vector<Job*>& jobs) {
  if (auto begun = m_writer->script("BEGIN IMMEDIATE"); !begun) {
    for (auto* job : jobs) job->result = begun;
    return;
  }
  std::vector<SqliteConnection::CommitHooks> hooks;
  for (auto* job : jobs) {
    if (!run_in_savepoint(*job)) {  // SQLite undid everything, the others' work too
      static_cast<void>(m_writer->take_hooks());
      if (jobs.size() > 1)
        for (auto* alone : jobs) run_together({alone});
      return;
    }
    auto added = m_writer->take_hooks();
    if (job->result) std::ranges::move(added, std::back_inserter(hooks));
  }
  const auto committed = commit(hooks);
  if (committed) return;
  if (m_writer->in_transaction()) static_cast<void>(m_writer->script("ROLLBACK"));
  for (auto* job : jobs)
    if (job->result) job->result = committed;
}

Result<> SqliteDatabase::commit(const std::vector<SqliteConnection::CommitHooks>& hooks) {
  for (const auto& hook : hooks) hook.begin();
  auto result = m_writer->script("COMMIT");
  for (const auto& hook : hooks) hook.end();
  return result;
}

/// False if the whole transaction is gone.
bool SqliteDatabase::run_in_savepoint(Job& job) {
  job.result = m_writer->script("SAVEPOINT job");
  if (job.result) {
    job.result = guarded([&] { return (*job.work)(*m_writer); });
    if (!m_writer->in_transaction()) return false;
    const auto closed = m_writer->script(job.result ? "RELEASE job" : "ROLLBACK TO job; RELEASE job");
    if (!closed && job.result) job.result = closed;
  }
  return m_writer->in_transaction();
}

}  // namespace slipway::sql
