#include "sql/sqlite_connection.hpp"

#include <array>
#include <fmt/format.h>
#include <sqlite3.h>
#include <system_error>

namespace slipway::sql {
namespace {

class SqliteRow final : public Row {
public:
  explicit SqliteRow(sqlite3_stmt* statement) : m_statement(statement) {}
  bool is_null(int column) const override { return sqlite3_column_type(m_statement, column) == SQLITE_NULL; }
  std::int64_t integer(int column) const override { return sqlite3_column_int64(m_statement, column); }
  std::string_view text(int column) const override {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(m_statement, column));
    return bytes ? std::string_view(bytes, size(column)) : std::string_view();
  }
  ByteView blob(int column) const override {
    const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(m_statement, column));
    return bytes ? ByteView(bytes, size(column)) : ByteView();
  }

private:
  std::size_t size(int column) const { return static_cast<std::size_t>(sqlite3_column_bytes(m_statement, column)); }
  sqlite3_stmt* m_statement;
};

Failure failure_of(int code) {
  switch (code & 0xff) {
  case SQLITE_FULL: return Failure::no_space;
  case SQLITE_READONLY: return Failure::read_only;
  case SQLITE_BUSY:
  case SQLITE_LOCKED: return Failure::busy;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB: return Failure::corrupt;
  case SQLITE_CONSTRAINT: return Failure::conflict;
  case SQLITE_TOOBIG: return Failure::too_large;
  default: return Failure::io;
  }
}

struct Binder {
  sqlite3_stmt* statement;
  int index;
  int operator()(std::nullptr_t) const { return sqlite3_bind_null(statement, index); }
  int operator()(std::int64_t number) const { return sqlite3_bind_int64(statement, index, number); }
  int operator()(std::string_view text) const {
    return sqlite3_bind_text64(statement, index, text.data() ? text.data() : "", text.size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  int operator()(ByteView bytes) const {
    return sqlite3_bind_blob64(statement, index, bytes.data() ? static_cast<const void*>(bytes.data()) : "",
                               bytes.size(), SQLITE_STATIC);
  }
};

constexpr std::array parameter_names = {"$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12"};

}  // namespace

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& path, SqliteMode mode) {
  sqlite3* db = nullptr;
  const bool writes = mode != SqliteMode::read_only;
  const int flags = (writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(db));
  if (code != SQLITE_OK) return std::unexpected(connection->error(code, "opening " + path));
  connection->keep_log(true);
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, 5000);
  // KiB. Readers are many, and the system has the file in memory anyhow.
  const auto* settings =
      writes ? "PRAGMA foreign_keys=ON; PRAGMA cache_size=-8192;" : "PRAGMA foreign_keys=ON; PRAGMA cache_size=-1536;";
  if (mode == SqliteMode::fill) settings = "PRAGMA foreign_keys=OFF; PRAGMA cache_size=-32768;";
  if (auto ready = connection->script(settings); !ready) return std::unexpected(ready.error().during(path));
  // Where the file cannot be opened for writing, SQLite opens it for reading and says nothing: every write from then on
  // would be refused, long after the cause is gone.
  if (writes && sqlite3_db_readonly(db, "main") == 1)
    return fail(Failure::read_only, path + ": it can be read but not written: it or its file system is read-only, or "
                                           "its disk fails");
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [text, statement] : m_statements) sqlite3_finalize(statement);
  sqlite3_close(m_db);
}

Error SqliteConnection::error(int code, std::string_view step) const {
  auto message = fmt::format("{}: {}", step, m_db ? sqlite3_errmsg(m_db) : sqlite3_errstr(code));
  const int primary = code & 0xff;
  // Only these two set it.
  const int cause = m_db && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) ? sqlite3_system_errno(m_db) : 0;
  if (cause != 0) message += " (" + std::generic_category().message(cause) + ")";
  return {failure_of(code), std::move(message)};
}

Result<> SqliteConnection::script(const char* text) {
  const int code = sqlite3_exec(m_db, text, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error(code, "catalog"));
  return {};
}

Result<> SqliteConnection::copy_from(SqliteConnection& source) {
  auto* copy = sqlite3_backup_init(m_db, "main", source.m_db, "main");
  if (!copy) return std::unexpected(error(sqlite3_errcode(m_db), "beginning a copy"));
  const int copied = sqlite3_backup_step(copy, -1);  // all in one go: one state, however long it takes
  const int code = sqlite3_backup_finish(copy);
  if (code != SQLITE_OK) return std::unexpected(error(code, "copying"));
  // A lock that lasted is no error to the former, and nothing was copied then.
  if (copied != SQLITE_DONE) return std::unexpected(error(copied, "copying"));
  return {};
}

void SqliteConnection::keep_log(bool keep) {
  int value = keep ? 1 : 0;
  sqlite3_file_control(m_db, "main", SQLITE_FCNTL_PERSIST_WAL, &value);
}

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(m_db) == 0; }

void SqliteConnection::around_commit(std::function<void()> begin, std::function<void()> end) {
  m_hooks.push_back({std::move(begin), std::move(end)});
}

sqlite3_stmt* SqliteConnection::prepared(std::string_view text) {
  auto& slot = m_statements[text];
  if (slot) return slot;
  const int code =
      sqlite3_prepare_v3(m_db, text.data(), static_cast<int>(text.size()), SQLITE_PREPARE_PERSISTENT, &slot, nullptr);
  if (code != SQLITE_OK) throw StatementFailed(error(code, "catalog: preparing"));
  return slot;
}

void SqliteConnection::bind(sqlite3_stmt* statement, std::span<const Parameter> parameters) {
  SLIPWAY_INVARIANT(parameters.size() <= parameter_names.size());
  std::size_t i = 0;
  for (const auto& parameter : parameters) {
    // "$2" is a *name* to SQLite, numbered by first appearance: look its index up.
    const int index = sqlite3_bind_parameter_index(statement, parameter_names[i++]);
    SLIPWAY_INVARIANT(index > 0);
    if (const int code = std::visit(Binder{statement, index}, parameter); code != SQLITE_OK)
      throw StatementFailed(error(code, "catalog: binding"));
  }
}

std::int64_t SqliteConnection::run(std::string_view text, std::span<const Parameter> parameters,
                                   const std::function<void(const Row&)>& each) {
  auto* statement = prepared(text);
  // Reset on every way out: a statement left open would hold the transaction.
  const std::unique_ptr<sqlite3_stmt, void (*)(sqlite3_stmt*)> reset(statement, [](sqlite3_stmt* used) {
    sqlite3_reset(used);
    sqlite3_clear_bindings(used);
  });
  bind(statement, parameters);
  const SqliteRow row(statement);
  for (;;) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) return sqlite3_changes64(m_db);
    if (code != SQLITE_ROW) throw StatementFailed(error(code, "catalog"));
    each(row);
  }
}

}  // namespace slipway::sql
