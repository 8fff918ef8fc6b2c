#include "sql/postgres_connection.hpp"

#include "sql/postgres_parameters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <utility>

namespace slipway::sql {
namespace {

constexpr int oldest_server = 150000;  // 15

class PostgresRow final : public Row {
public:
  PostgresRow(const PGresult* result, int row) : m_result(result), m_row(row) {}
  bool is_null(int column) const override { return PQgetisnull(m_result, m_row, column) == 1; }
  std::int64_t integer(int column) const override {
    if (is_null(column)) return 0;
    switch (PQftype(m_result, column)) {
    case type_bool: return number_of(blob(column));
    case type_int2:
    case type_int4:
    case type_int8: return number_of(blob(column));
    default: throw StatementFailed({Failure::io, fmt::format("column {} is no integer: cast it to BIGINT", column)});
    }
  }
  std::string_view text(int column) const override { return as_text(blob(column)); }
  /// The place that text_of_many() adds.
  std::size_t place() const { return static_cast<std::size_t>(integer(PQnfields(m_result) - 1)) - 1; }
  ByteView blob(int column) const override {
    const auto* bytes = reinterpret_cast<const std::byte*>(PQgetvalue(m_result, m_row, column));
    return {bytes, static_cast<std::size_t>(PQgetlength(m_result, m_row, column))};
  }

private:
  const PGresult* m_result;
  int m_row;
};

Failure failure_of(std::string_view state) {
  struct Meaning {
    std::string_view state;  // or its class
    Failure failure;
  };
  constexpr Meaning meanings[] = {
      {"53100", Failure::no_space},     // disk full
      {"53", Failure::busy},            // memory, connections
      {"25006", Failure::unavailable},  // read-only, until somebody makes it or another the primary again
      {"25P03", Failure::unavailable},  // ended for having paused too long
      {"08", Failure::unavailable},     // connections
      {"57P", Failure::unavailable},    // shut down, crashed, starting
      {"23", Failure::conflict},        // unique, foreign key, check
      {"40001", Failure::busy},         // lost a race
      {"40P01", Failure::busy},         // deadlock
      {"55P03", Failure::busy},         // a lock was not to be had
      {"57014", Failure::busy},         // took too long
      {"22021", Failure::invalid},      // no UTF-8, or a NUL
      {"54", Failure::too_large},       // an index entry, a statement
      {"XX001", Failure::corrupt},      // a table's bytes
      {"XX002", Failure::corrupt},      // an index's
  };
  const auto* found = std::ranges::find_if(meanings, [&](const auto& one) { return state.starts_with(one.state); });
  return found == std::end(meanings) ? Failure::io : found->failure;
}

/// These are told to whoever asked, who need not know where the database is.
bool is_told_to_clients(Failure failure) {
  return failure == Failure::busy || failure == Failure::conflict || failure == Failure::invalid ||
         failure == Failure::too_large;
}

/// One line of what libpq says.
std::string line_of(std::string_view said) {
  std::string out;
  for (const char c : said) out += c == '\n' || c == '\t' ? ' ' : c;
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

using Options = std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)>;

}  // namespace

Result<PostgresAddress> PostgresAddress::parse(const std::string& url) {
  const bool is_url = url.starts_with("postgresql://") || url.starts_with("postgres://");
  const Options options(is_url ? PQconninfoParse(url.c_str(), nullptr) : nullptr, PQconninfoFree);
  if (!options)
    return fail(Failure::invalid, "the URL of the PostgreSQL database cannot be read: write it as "
                                  "postgresql://user@host:port/database, with %XX for what is special in a password");
  const auto value = [&](std::string_view keyword, const char* otherwise) -> std::string {
    for (const auto* option = options.get(); option->keyword; ++option)
      if (keyword == option->keyword && option->val && *option->val) return option->val;
    return otherwise;
  };
  return PostgresAddress{url, fmt::format("database '{}' at {}:{}", value("dbname", "(the user's)"),
                                          value("host", value("hostaddr", "(the local socket)").c_str()),
                                          value("port", "5432"))};
}

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const PostgresAddress& address,
                                                                     const PostgresPatience& patience) {
  // What the URL says comes after these, and wins. A replica of the database would answer with what was.
  constexpr std::array keywords = {"connect_timeout",
                                   "keepalives_idle",
                                   "keepalives_interval",
                                   "keepalives_count",
                                   "tcp_user_timeout",
                                   "target_session_attrs",
                                   "dbname",
                                   "application_name",
                                   "client_encoding",
                                   static_cast<const char*>(nullptr)};
  const std::array values = {"5",
                             "10",
                             "5",
                             "3",
                             "20000",
                             "primary",
                             address.url.c_str(),
                             address.client.c_str(),
                             "UTF8",
                             static_cast<const char*>(nullptr)};
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(
      PQconnectdbParams(keywords.data(), values.data(), /*expand_dbname=*/1), address, patience));
  if (PQstatus(connection->m_connection) != CONNECTION_OK)
    return fail(Failure::unavailable, fmt::format("{} cannot be reached: {}", address.name,
                                                  line_of(PQerrorMessage(connection->m_connection))));
  TRY(connection->prepare_session());
  return connection;
}

Result<> PostgresConnection::prepare_session() {
  PQsetNoticeReceiver(m_connection, [](void*, const PGresult*) {}, nullptr);  // else they go to standard error
  const auto version = PQserverVersion(m_connection);
  if (version < oldest_server)
    return fail(Failure::invalid, fmt::format("{} is PostgreSQL {}.{}: version {} or newer is needed", m_name,
                                              version / 10000, version % 10000, oldest_server / 10000));
  const auto* encoding = PQparameterStatus(m_connection, "server_encoding");
  if (!encoding || std::string_view(encoding) != "UTF8")
    return fail(Failure::invalid, fmt::format("{} keeps text as {}: make it with ENCODING 'UTF8'", m_name,
                                              encoding ? encoding : "something unknown"));
  // Joins are made in the order of the text: of a young table PostgreSQL knows too little to find a better one, and has
  // been seen to read all manifests of a repository for one tag. Compiling a statement costs more than any of ours.
  // Without a synchronous commit, what was answered may be lost.
  const auto settings = fmt::format(
      "SET lock_timeout = {}; SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; "
      "SET client_connection_check_interval = '10s'; "
      "SET join_collapse_limit = 1; SET jit = off; "
      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
      m_patience.lock.count(), m_patience.statement.count(), m_patience.pause.count());
  const Answer done(PQexec(m_connection, settings.c_str()), PQclear);
  if (PQresultStatus(done.get()) != PGRES_TUPLES_OK) return std::unexpected(error_of(done.get()));
  if (PQenterPipelineMode(m_connection) != 1) return fail(Failure::io, m_name + ": no pipeline mode");
  return {};
}

PostgresConnection::~PostgresConnection() { PQfinish(m_connection); }

void PostgresConnection::around_commit(std::function<void()> begin, std::function<void()> end) {
  m_hooks.push_back({std::move(begin), std::move(end)});
}

// ---- sending

void PostgresConnection::sent(int code, const Rows& rows) {
  if (code != 1) lose(PQerrorMessage(m_connection));
  try {
    m_waiting.push_back(rows);
  } catch (const std::bad_alloc&) {  // its answer would be taken for another's
    m_is_lost = true;
    throw;
  }
}

/// Prepares a statement along with its first use.
void PostgresConnection::send(std::string_view text, const PostgresParameters& parameters, const Rows& rows) {
  auto statement = m_statements.find(text);
  if (statement == m_statements.end()) {
    const auto name = fmt::format("s{}", ++m_prepared);
    m_new_statements.push_back(text);
    sent(PQsendPrepare(m_connection, name.c_str(), std::string(text).c_str(), parameters.count(), parameters.types()),
         {});
    statement = m_statements.emplace(text, name).first;
  }
  sent(PQsendQueryPrepared(m_connection, statement->second.c_str(), parameters.count(), parameters.values(),
                           parameters.lengths(), parameters.formats(), 1),
       rows);
}

void PostgresConnection::sync() {
  if (PQpipelineSync(m_connection) != 1) lose(PQerrorMessage(m_connection));
  m_is_sync_due = true;
}

void PostgresConnection::begin(const char* text) {
  m_has_given_rows = m_has_lost_race = false;
  defer(text);
}

void PostgresConnection::defer(const char* text) {
  settle();
  sent(PQsendQueryParams(m_connection, text, 0, nullptr, nullptr, nullptr, nullptr, 1), {});
}

void PostgresConnection::send_deferred() {
  if (!m_waiting.empty() && !m_is_sync_due) sync();
}

Result<> PostgresConnection::commit() {
  try {
    defer("COMMIT");
    sync();
    receive();
  } catch (const StatementFailed& failed) {
    return std::unexpected(failed.error());
  }
  // A transaction in which something failed ends without an error, and undone.
  if (m_tag != "COMMIT") return fail(Failure::io, m_name + " undid a transaction instead of committing it");
  return {};
}

std::int64_t PostgresConnection::run(std::string_view text, std::span<const Parameter> parameters,
                                     const std::function<void(const Row&)>& each) {
  SLIPWAY_INVARIANT(!m_is_giving_rows);
  settle();
  send(text, PostgresParameters(parameters), {.each = &each});
  sync();
  return receive();
}

void PostgresConnection::run_each(std::string_view text, std::span<const std::vector<Parameter>> sets,
                                  const std::function<void(std::size_t set, const Row&)>& each) {
  SLIPWAY_INVARIANT(!m_is_giving_rows);
  constexpr std::size_t sent_together = 1000;
  for (std::size_t at = 0; at < sets.size(); at += sent_together) {
    settle();
    std::deque<std::function<void(const Row&)>> givers;
    for (std::size_t i = at; i < std::min(at + sent_together, sets.size()); ++i) {
      givers.emplace_back([&each, i](const Row& row) { each(i, row); });
      send(text, PostgresParameters(sets[i]), {.each = &givers.back(), .at_once = true});
    }
    sync();
    receive();
  }
}

std::size_t PostgresConnection::run_together(std::span<const Statement> statements) {
  std::vector<std::size_t> ends;  // of each, counted in what is sent
  std::deque<std::function<void(const Row&)>> givers;
  m_ended = 0;
  // Whoever wants to know why one failed asks it again, alone.
  try {
    settle();
    for (const auto& statement : statements) {
      const bool many = statement.sets.size() > 1;
      givers.emplace_back([&statement, many](const Row& row) {
        statement.each(many ? static_cast<const PostgresRow&>(row).place() : 0, row);
      });
      const Rows rows{.each = &givers.back(), .at_once = true};
      if (many)
        send(text_for_many(statement), PostgresParameters(std::span(statement.sets)), rows);
      else
        send(statement.text, PostgresParameters(statement.sets.front()), rows);
      ends.push_back(m_waiting.size());
    }
  } catch (const StatementFailed&) {
  }
  try {
    sync();
    receive();
  } catch (const StatementFailed&) {
  }
  return static_cast<std::size_t>(std::ranges::upper_bound(ends, m_ended) - ends.begin());
}

/// Kept, as statements are known by their texts.
std::string_view PostgresConnection::text_for_many(const Statement& statement) {
  auto known = m_texts_for_many.find(statement.text);
  if (known == m_texts_for_many.end())
    known = m_texts_for_many.emplace(statement.text, text_of_many(statement.text, statement.sets.front().size())).first;
  return known->second;
}

Result<> PostgresConnection::script(const char* text) {
  try {
    send_deferred();
    receive();
  } catch (const StatementFailed& failed) {
    return std::unexpected(failed.error());
  }
  // Several statements at once are possible without a pipeline only.
  PQexitPipelineMode(m_connection);
  const Answer done(PQexec(m_connection, text), PQclear);
  const auto status = PQresultStatus(done.get());
  Result<> result;
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
    result = std::unexpected(error_of(done.get()));
  m_is_lost = m_is_lost || PQenterPipelineMode(m_connection) != 1;
  return result;
}

// ---- receiving

/// Reads what nobody waited for.
void PostgresConnection::settle() {
  if (!m_is_sync_due) return;
  try {
    receive();
  } catch (const StatementFailed&) {
    if (m_is_lost) throw;
  }
}

/// The answers to all that was sent. Rows go to whoever was named; returns how many rows the last one changed.
/// Whatever is thrown, nothing is left unread, unless the connection is lost.
std::int64_t PostgresConnection::receive() {
  std::optional<Error> failed;
  std::exception_ptr thrown;
  std::int64_t changed = 0;
  m_ended = 0;
  for (; !m_waiting.empty(); m_waiting.pop_front()) {
    const auto rows = m_waiting.front();
    if (rows.each && !rows.at_once) PQsetSingleRowMode(m_connection);
    while (const auto answer = next_answer()) {
      const auto status = PQresultStatus(answer.get());
      if (status == PGRES_SINGLE_TUPLE) {
        give_row(rows, answer.get(), 0, thrown);
      } else if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        m_tag = PQcmdStatus(answer.get());
        const std::string_view count = PQcmdTuples(answer.get());
        changed = 0;
        std::from_chars(count.data(), count.data() + count.size(), changed);
        for (int row = 0; rows.each && row < PQntuples(answer.get()); ++row) give_row(rows, answer.get(), row, thrown);
        if (!failed) ++m_ended;
      } else if (status != PGRES_PIPELINE_ABORTED && !failed) {  // aborted: by the failure before it
        failed = error_of(answer.get());
        if (m_is_lost) throw StatementFailed(std::move(*failed));
      }
    }
  }
  if (std::exchange(m_is_sync_due, false)) static_cast<void>(next_answer());
  // Whether new statements came to be prepared, nobody asked.
  if (failed)
    for (const auto text : m_new_statements) m_statements.erase(text);
  m_new_statements.clear();
  if (thrown) std::rethrow_exception(thrown);
  if (failed) throw StatementFailed(std::move(*failed));
  return changed;
}

void PostgresConnection::give_row(const Rows& rows, const PGresult* answer, int row, std::exception_ptr& thrown) {
  if (thrown) return;
  m_is_giving_rows = m_has_given_rows = true;
  try {
    (*rows.each)(PostgresRow(answer, row));
  } catch (...) {
    thrown = std::current_exception();
  }
  m_is_giving_rows = false;
}

PostgresConnection::Answer PostgresConnection::next_answer() {
  while (PQisBusy(m_connection) == 1) {
    if (!wait_for_answer()) lose(fmt::format("it has not said anything for {} s", m_patience.silence.count() / 1000));
    if (PQconsumeInput(m_connection) != 1) break;  // there may be a last word among what came before
  }
  Answer answer(PQgetResult(m_connection), PQclear);
  if (PQstatus(m_connection) != CONNECTION_OK) {
    const auto* said = answer ? PQresultErrorField(answer.get(), PG_DIAG_MESSAGE_PRIMARY) : nullptr;
    lose(said ? said : PQerrorMessage(m_connection));
  }
  return answer;
}

/// False if nothing came for too long.
bool PostgresConnection::wait_for_answer() {
  pollfd waiting{.fd = PQsocket(m_connection), .events = POLLIN, .revents = 0};
  const auto end = std::chrono::steady_clock::now() + m_patience.silence;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// ---- failing

bool PostgresConnection::has_failed() const { return PQtransactionStatus(m_connection) == PQTRANS_INERROR; }

Error PostgresConnection::error_of(const pg_result* answer) {
  const auto* state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  const auto* said = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
  if (!state) {  // libpq's own words
    m_is_lost = m_is_lost || PQstatus(m_connection) != CONNECTION_OK;
    return {m_is_lost ? Failure::unavailable : Failure::io,
            fmt::format("{}: {}", m_name, line_of(PQerrorMessage(m_connection)))};
  }
  const auto failure = failure_of(state);
  // Its socket may be open for a moment yet.
  m_is_lost = m_is_lost || failure == Failure::unavailable;
  m_has_lost_race = m_has_lost_race || std::string_view(state) == "40001" || std::string_view(state) == "40P01";
  if (failure == Failure::invalid)
    return {failure, "text that is no UTF-8, or has a NUL in it, can neither be kept nor looked up"};
  return {failure, fmt::format("{}: {} ({})", is_told_to_clients(failure) ? "the database" : m_name,
                               line_of(said ? said : "no message"), state)};
}

void PostgresConnection::lose(std::string_view why) {
  m_is_lost = true;
  throw StatementFailed({Failure::unavailable, fmt::format("{} is not there any more: {}", m_name, line_of(why))});
}

}  // namespace slipway::sql
