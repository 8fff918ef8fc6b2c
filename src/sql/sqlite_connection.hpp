#pragma once
// One SQLite connection as a Session: prepared statements kept by text, parameters bound by name.

#include "sql/database.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace slipway::sql {

/// `fill`: to write without checking that references hold, which they need not before the last row is there.
enum class SqliteMode { read_write, read_only, fill };

/// Not safe for concurrent use.
class SqliteConnection final : public Session {
public:
  /// Failure::io or corrupt, naming the file; read_only where it should be written and cannot.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, SqliteMode mode);
  ~SqliteConnection() override;

  std::int64_t run(std::string_view text, std::span<const Parameter> parameters,
                   const std::function<void(const Row&)>& each) override;
  using Session::run;
  void around_commit(std::function<void()> begin, std::function<void()> end) override;

  Result<> script(const char* text) override;
  /// Becomes what `source` is at one moment.
  Result<> copy_from(SqliteConnection& source);
  /// Whether the log outlives the last connection; true to begin with. A connection that cannot work with the log must
  /// not clean it up either: where files fail while it is opened, SQLite 3.40 has been seen to remove it with
  /// everything that was committed to it.
  void keep_log(bool keep);
  /// False after SQLite undid the transaction by itself (disk full, I/O error).
  bool in_transaction() const;

  struct CommitHooks {
    std::function<void()> begin, end;
  };
  /// Those registered since the last call.
  std::vector<CommitHooks> take_hooks() { return std::exchange(m_hooks, {}); }

private:
  explicit SqliteConnection(sqlite3* db) : m_db(db) {}
  sqlite3_stmt* prepared(std::string_view text);
  void bind(sqlite3_stmt* statement, std::span<const Parameter> parameters);
  Error error(int code, std::string_view step) const;

  sqlite3* m_db;
  std::unordered_map<std::string_view, sqlite3_stmt*> m_statements;
  std::vector<CommitHooks> m_hooks;
};

}  // namespace slipway::sql
