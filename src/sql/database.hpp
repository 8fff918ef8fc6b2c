#pragma once
// One small way to speak SQL to more than one database. Query texts use $1, $2 …, UPSERT and RETURNING, which SQLite
// and PostgreSQL both understand; only schemas are written for each. Drivers: sqlite.hpp, postgres.hpp.

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace slipway::sql {

/// Whose SQL a schema is written in.
enum class Dialect { sqlite, postgres };

/// A bound parameter. Text and bytes are borrowed for the call.
using Parameter = std::variant<std::nullptr_t, std::int64_t, std::string_view, ByteView>;

/// The present row of a result. Text and bytes are valid until the callback returns.
class Row {
public:
  virtual ~Row() = default;
  virtual bool is_null(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;  ///< 0 for NULL; sums need CAST(SUM(x) AS BIGINT)
  virtual std::string_view text(int column) const = 0;
  virtual ByteView blob(int column) const = 0;
};

/// A statement failed. Thrown by Session::run and caught by Database::read and write, which undo the transaction and
/// return the error: code within a transaction need not check each statement.
class StatementFailed : public std::exception {
public:
  explicit StatementFailed(Error error) : m_error(std::move(error)) {}
  const Error& error() const { return m_error; }
  const char* what() const noexcept override { return m_error.message.c_str(); }

private:
  Error m_error;
};

/// One transaction, for the function it was handed to. Not safe for concurrent use.
class Session {
public:
  virtual ~Session() = default;

  /// Runs one statement, calling `each` for every row, as the rows come; returns how many rows it changed. Throws
  /// StatementFailed. `each` runs no statement of the same session. Text that is no UTF-8, or has a NUL, is
  /// Failure::invalid to PostgreSQL, and kept by SQLite.
  /// `text` must be a literal or live as long as the database: prepared statements are kept by it.
  virtual std::int64_t run(std::string_view text, std::span<const Parameter> parameters,
                           const std::function<void(const Row&)>& each) = 0;
  std::int64_t run(std::string_view text, std::initializer_list<Parameter> parameters,
                   const std::function<void(const Row&)>& each) {
    return run(text, std::span(parameters.begin(), parameters.size()), each);
  }
  std::int64_t run(std::string_view text, std::initializer_list<Parameter> parameters = {}) {
    return run(text, parameters, [](const Row&) {});
  }

  /// Runs one statement with each of some sets of parameters, in their order, telling `each` which one a row comes of:
  /// in few round trips where run() takes one for each. For small sets and rows. Throws as run().
  virtual void run_each(std::string_view text, std::span<const std::vector<Parameter>> sets,
                        const std::function<void(std::size_t set, const Row&)>& each) {
    for (std::size_t i = 0; i < sets.size(); ++i) run(text, sets[i], [&](const Row& row) { each(i, row); });
  }
  void run_each(std::string_view text, std::span<const std::vector<Parameter>> sets) {
    run_each(text, sets, [](std::size_t, const Row&) {});
  }

  /// Several statements without parameters or rows: migrations.
  virtual Result<> script(const char* text) = 0;

  /// The first column of the first row as a number, if there is one that is not NULL.
  std::optional<std::int64_t> number(std::string_view text, std::initializer_list<Parameter> parameters = {});

  /// In a write: `begin` is called just before the transaction commits and `end` after it did or failed to, both before
  /// the write is answered. For maps that must never show what the database does not: drop in `begin`, allow in `end`.
  virtual void around_commit(std::function<void()> begin, std::function<void()> end) = 0;
};

/// Safe to call from any thread.
class Database {
public:
  virtual ~Database() = default;

  /// Runs `work` in a read-only transaction: it sees one state, no older than the call. `work` may run again where it
  /// was not given a single row yet (a broken connection): until then it must set what it captures from scratch.
  virtual Result<> read(const std::function<void(Session&)>& work) = 0;

  /// Runs one SELECT as a read of its own: for what is asked at every request and finds a row or a few, of some 64 KiB
  /// at most, for those of several may be in memory at once. It may be sent along with those of others that wait, and
  /// their rows given by any of the threads that do. Each caller's rows are given once, while it waits; where it fails,
  /// some may have been.
  virtual Result<> look_up(std::string_view text, std::span<const Parameter> parameters,
                           const std::function<void(const Row&)>& each);
  Result<> look_up(std::string_view text, std::initializer_list<Parameter> parameters,
                   const std::function<void(const Row&)>& each) {
    return look_up(text, std::span(parameters.begin(), parameters.size()), each);
  }

  /// Runs `work` in a transaction that is serialised with all other writes, those of other processes too, and returns
  /// when it is durable. An error returned or thrown by `work` undoes it. `work` may run more than once (lost races,
  /// broken connections, a batch undone by another's failure): it must set what it captures from scratch each time. It
  /// keeps all other writes waiting: nothing in it waits for anything but the database. Failure::io may mean that
  /// nobody knows whether it was committed; any other that it was not.
  virtual Result<> write(const std::function<Result<>(Session&)>& work) = 0;

  /// Refuses writes with Failure::read_only while set.
  virtual void set_read_only(bool read_only) = 0;
  virtual bool is_read_only() const = 0;

  virtual Dialect dialect() const = 0;
  /// Other processes may write to it meanwhile: what was read is not remembered, unless it can never change.
  virtual bool is_shared() const = 0;
  /// Why what it calls committed may be lost all the same, in plain words; where its own settings say so.
  virtual Result<std::vector<std::string>> risks() { return {}; }
};

}  // namespace slipway::sql
