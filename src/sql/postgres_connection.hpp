#pragma once
// One PostgreSQL connection as a Session: prepared statements kept by text, values in binary, rows as they come.
//
// Statements are sent in libpq's pipeline mode: what begins or ends a transaction is sent along with the next statement
// instead of being waited for (defer()), so that a read of one statement is one round trip.

#include "sql/database.hpp"

#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

struct pg_conn;
struct pg_result;

namespace slipway::sql {

class PostgresParameters;

/// How long a connection waits for what. The server ends what passes the first three, whatever became of the client.
struct PostgresPatience {
  std::chrono::milliseconds lock{20'000};        ///< for the other servers' writes
  std::chrono::milliseconds statement{120'000};  ///< for one statement to end; 0: as long as it takes
  std::chrono::milliseconds pause{5'000};        ///< from one statement of a transaction to the next
  std::chrono::milliseconds silence{135'000};    ///< for the server to say anything at all
  std::chrono::milliseconds outcome{15'000};     ///< for word of what became of a COMMIT; longer than a pause
};

/// Where a database is.
struct PostgresAddress {
  std::string url;
  std::string name;                ///< "database 'slipway' at 10.0.0.1:5432": for messages, without a password
  std::string client = "slipway";  ///< what the server calls our connections, unless the URL has an application_name

  /// `postgresql://user@host:port/database?option=value`, as libpq takes it. Failure::invalid, and not a word of it in
  /// the message, where it does not.
  static Result<PostgresAddress> parse(const std::string& url);
};

/// Not safe for concurrent use.
class PostgresConnection final : public Session {
public:
  /// unavailable, with the server's words, where it cannot be reached or does not let us in; invalid for one that is
  /// too old or keeps text in another encoding than UTF-8.
  static Result<std::unique_ptr<PostgresConnection>> open(const PostgresAddress& address,
                                                          const PostgresPatience& patience);
  ~PostgresConnection() override;

  std::int64_t run(std::string_view text, std::span<const Parameter> parameters,
                   const std::function<void(const Row&)>& each) override;
  using Session::run;
  void run_each(std::string_view text, std::span<const std::vector<Parameter>> sets,
                const std::function<void(std::size_t set, const Row&)>& each) override;
  using Session::run_each;
  Result<> script(const char* text) override;
  void around_commit(std::function<void()> begin, std::function<void()> end) override;

  /// One SELECT with each of some sets of parameters, which have the same types and no NULL among them if there is more
  /// than one set. It may hold a '$' only before a parameter's number.
  struct Statement {
    std::string_view text;
    std::vector<std::span<const Parameter>> sets;
    std::function<void(std::size_t set, const Row&)> each;  ///< must not throw
  };
  /// Runs statements one after another in one round trip, outside of any transaction, giving the rows of each once it
  /// came to its end. The first that fails ends it; returns how many came before.
  std::size_t run_together(std::span<const Statement> statements);

  /// Begins a transaction, along with the first statement: BEGIN and its options.
  void begin(const char* text);
  /// Sends a statement along with the next one, whose failure its own is then; SQL without parameters or rows.
  void defer(const char* text);
  /// Sends what was deferred, without waiting for its end.
  void send_deferred();
  /// Ends the transaction, with what was deferred before it. Where it fails and is_lost(), nobody knows how it ended.
  Result<> commit();

  /// The connection is gone, and its transaction with it.
  bool is_lost() const { return m_is_lost; }
  /// The transaction was undone for the sake of another: running it again is worth while.
  bool has_lost_race() const { return m_has_lost_race; }
  /// A statement failed: what comes is refused until a ROLLBACK.
  bool has_failed() const;
  /// Any row of the transaction was handed out.
  bool has_given_rows() const { return m_has_given_rows; }

  struct CommitHooks {
    std::function<void()> begin, end;
  };
  /// Those registered since the last call.
  std::vector<CommitHooks> take_hooks() { return std::exchange(m_hooks, {}); }

private:
  using Answer = std::unique_ptr<pg_result, void (*)(pg_result*)>;
  /// Who gets the rows of a statement: as they come, or all once there are no more.
  struct Rows {
    const std::function<void(const Row&)>* each = nullptr;
    bool at_once = false;
  };

  PostgresConnection(pg_conn* connection, const PostgresAddress& address, const PostgresPatience& patience)
      : m_connection(connection), m_name(address.name), m_patience(patience) {}
  Result<> prepare_session();
  void send(std::string_view text, const PostgresParameters& parameters, const Rows& rows);
  std::string_view text_for_many(const Statement& statement);
  void sent(int code, const Rows& rows);
  void sync();
  void settle();
  std::int64_t receive();
  void give_row(const Rows& rows, const pg_result* answer, int row, std::exception_ptr& thrown);
  Answer next_answer();
  bool wait_for_answer();
  Error error_of(const pg_result* answer);
  [[noreturn]] void lose(std::string_view why);

  pg_conn* m_connection;
  const std::string m_name;
  const PostgresPatience m_patience;
  std::unordered_map<std::string_view, std::string> m_statements;  // their names on the server
  std::unordered_map<std::string_view, std::string> m_texts_for_many;
  std::uint64_t m_prepared = 0;
  std::vector<std::string_view> m_new_statements;  // of them, those that may not have come to be prepared
  std::deque<Rows> m_waiting;                      // statements whose answers were not read yet
  std::size_t m_ended = 0;                         // of those that were read last, how many came to their end
  bool m_is_sync_due = false;                      // and their end was sent, so that all will be answered
  bool m_is_giving_rows = false;
  bool m_is_lost = false;
  bool m_has_lost_race = false;
  bool m_has_given_rows = false;
  std::string m_tag;  // what the last statement did, in the server's words: "COMMIT"
  std::vector<CommitHooks> m_hooks;
};

}  // namespace slipway::sql
