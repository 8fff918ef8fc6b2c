#include "sql/postgres.hpp"

#include "base/log.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <thread>

namespace slipway::sql {
namespace {

using std::chrono::steady_clock;

constexpr int attempts_max = 6;
/// Beyond some 64 savepoints PostgreSQL has to look each of them up on disk.
constexpr std::size_t batch_max = 60;
/// What comes after a write that ends later than this is a transaction of its own: other servers want their turn.
constexpr auto together_max = std::chrono::milliseconds(200);
/// Of the database, for a write; any number that others are unlikely to think of ("slipway").
constexpr std::int64_t lock_of_writes = 0x736c'6970'7761'79;
/// While one batch is under way another may begin, so that nobody waits for the whole of it and then for his own.
constexpr std::size_t asking_max = 2;
constexpr std::size_t lookups_max = 64;
/// Their rows come at once: Database::look_up() says how large they are.
constexpr std::size_t sets_max = 32;
constexpr auto* begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr auto turn_max = std::chrono::seconds(10);

/// A listing may be sent to a slow store as it is read: reads may pause, and statements of theirs last, however large a
/// table is. They hold nobody up, and end with the client or its silence.
PostgresPatience patience_of_reads(PostgresPatience patience) {
  patience.statement = std::chrono::milliseconds(0);
  patience.pause = std::chrono::minutes(10);
  return patience;
}

Error is_slow() {
  return {Failure::busy, "the catalog's database is slow: all connections to it are taken; try again later"};
}

using Lookup = LookupQueue::Lookup;

bool are_equal(const Lookup& a, const Lookup& b) {
  const auto same = [](const auto& x, const auto& y) {
    return std::visit(
        []<typename A, typename B>(const A& left, const B& right) {
          if constexpr (!std::is_same_v<A, B>)
            return false;
          else if constexpr (std::is_same_v<A, ByteView>)
            return std::ranges::equal(left, right);
          else
            return left == right;
        },
        x, y);
  };
  return std::ranges::equal(a.parameters, b.parameters, same);
}

/// Lookups of one text, which are one statement.
struct Question {
  std::vector<std::vector<Lookup*>> sets;  // in each, those whose parameters are equal: what many ask is asked once

  const Lookup& first() const { return *sets.front().front(); }

  bool takes(Lookup& lookup) {
    if (lookup.text.data() != first().text.data()) return false;
    const auto equal = std::ranges::find_if(sets, [&](const auto& set) { return are_equal(*set.front(), lookup); });
    if (equal != sets.end()) {
      equal->push_back(&lookup);
      return true;
    }
    const auto same_type = [](const Parameter& x, const Parameter& y) {
      return x.index() == y.index() && !std::holds_alternative<std::nullptr_t>(x);
    };
    if (sets.size() == sets_max || !std::ranges::equal(first().parameters, lookup.parameters, same_type)) return false;
    sets.push_back({&lookup});
    return true;
  }
};

std::vector<Question> questions_of(const std::vector<Lookup*>& lookups) {
  std::vector<Question> out;
  for (auto* lookup : lookups)
    if (std::ranges::none_of(out, [&](Question& question) { return question.takes(*lookup); }))
      out.push_back({.sets = {{lookup}}});
  return out;
}

void give(Lookup& lookup, const Row& row) {
  if (!lookup.result) return;
  lookup.result = guarded([&]() -> Result<> {
    (*lookup.each)(row);
    return {};
  });
}

}  // namespace

PostgresDatabase::PostgresDatabase(PostgresAddress address, PostgresOptions options)
    : m_address(std::move(address)), m_options(std::move(options)), m_mark(random_hex(8)),
      m_lookups({.asking_max = asking_max, .batch_max = lookups_max, .turn = turn_max},
                [this](const std::vector<Lookup*>& lookups) { ask_together(lookups); }) {}

Result<std::unique_ptr<PostgresDatabase>> PostgresDatabase::open(PostgresOptions options) {
  TRY_ASSIGN(auto address, PostgresAddress::parse(options.url));
  address.client = options.client;
  std::unique_ptr<PostgresDatabase> database(new PostgresDatabase(std::move(address), std::move(options)));
  auto& self = *database;
  TRY_ASSIGN(self.m_writer, PostgresConnection::open(self.m_address, self.m_options.patience));
  self.m_queue = std::make_unique<WriteQueue>(batch_max, [&self](const Jobs& jobs) { self.run_together(jobs); });
  return database;
}

PostgresDatabase::~PostgresDatabase() = default;

// ---- reading

Result<std::unique_ptr<PostgresConnection>> PostgresDatabase::borrow() {
  std::unique_lock lock(m_readers_mutex);
  const auto is_free = [this] { return !m_free_readers.empty() || m_readers < m_options.readers_max; };
  if (!m_reader_free.wait_for(lock, turn_max, is_free)) return std::unexpected(is_slow());
  if (!m_free_readers.empty()) {
    auto connection = std::move(m_free_readers.back());
    m_free_readers.pop_back();
    return connection;
  }
  ++m_readers;
  lock.unlock();
  auto connection = PostgresConnection::open(m_address, patience_of_reads(m_options.patience));
  if (!connection) give_back(nullptr);
  return connection;
}

void PostgresDatabase::give_back(std::unique_ptr<PostgresConnection> connection) {
  std::vector<std::unique_ptr<PostgresConnection>> gone;  // closed once the lock is
  {
    const std::lock_guard lock(m_readers_mutex);
    if (connection && !connection->is_lost()) {
      m_free_readers.push_back(std::move(connection));
    } else {
      --m_readers;
      // What broke one has most likely broken those that lay idle.
      m_readers -= m_free_readers.size();
      gone = std::exchange(m_free_readers, {});
    }
  }
  m_reader_free.notify_all();
}

Result<> PostgresDatabase::read(const std::function<void(Session&)>& work) {
  for (int attempt = 1;; ++attempt) {
    TRY_ASSIGN(auto connection, borrow());
    const auto result = guarded([&]() -> Result<> {
      connection->begin(begin_read);
      work(*connection);
      return {};
    });
    end_read(*connection);
    const bool may_help = connection->is_lost() || connection->has_lost_race();
    const bool again = !result && may_help && !connection->has_given_rows() && attempt < attempts_max;
    give_back(std::move(connection));
    if (!again) return result;
  }
}

/// Nobody needs to hear how it ended.
void PostgresDatabase::end_read(PostgresConnection& connection) {
  static_cast<void>(guarded([&]() -> Result<> {
    if (!connection.is_lost()) connection.defer("ROLLBACK");
    if (!connection.is_lost()) connection.send_deferred();
    return {};
  }));
}

/// As they are for this connection, which has a synchronous_commit of its own.
Result<std::vector<std::string>> PostgresDatabase::risks() {
  constexpr std::pair<const char*, const char*> settings[] = {
      {"SELECT 1 WHERE current_setting('fsync') = 'off'",
       "fsync is off: when its machine crashes or loses power, any of it may be lost or damaged"},
      {"SELECT 1 WHERE current_setting('full_page_writes') = 'off'",
       "full_page_writes is off: a page that is half written when its machine crashes stays damaged, unless its file "
       "system rules that out"},
      {"SELECT 1 WHERE current_setting('synchronous_commit') = 'off'",
       "synchronous_commit is off: when it crashes, the last pushes may be lost"},
      {"SELECT 1 WHERE current_setting('synchronous_commit') = 'local' AND "
       "current_setting('synchronous_standby_names') <> ''",
       "synchronous_commit is local: a standby that takes its place may lack the last pushes"}};
  std::vector<std::string> out;
  TRY(read([&](Session& session) {
    out.clear();
    for (const auto& [is_so, words] : settings)
      if (session.number(is_so)) out.push_back(m_address.name + ": " + words);
  }));
  return out;
}

// ---- looking up

Result<> PostgresDatabase::look_up(std::string_view text, std::span<const Parameter> parameters,
                                   const std::function<void(const Row&)>& each) {
  Lookup lookup{.text = text, .parameters = parameters, .each = &each};
  if (!m_lookups.look_up(lookup)) return std::unexpected(is_slow());
  // One that failed took those after it along: each is asked alone then, and hears its own error.
  return lookup.has_answer ? std::move(lookup.result) : Database::look_up(text, parameters, each);
}

/// Answers those that it can.
void PostgresDatabase::ask_together(const std::vector<Lookup*>& lookups) {
  auto connection = borrow();
  if (!connection) {
    for (auto* lookup : lookups) {
      lookup->result = std::unexpected(connection.error());
      lookup->has_answer = true;
    }
    return;
  }
  std::vector<Question> questions;
  std::size_t answered = 0;
  static_cast<void>(guarded([&]() -> Result<> {
    questions = questions_of(lookups);
    std::vector<PostgresConnection::Statement> statements;
    for (const auto& question : questions) {
      auto& statement = statements.emplace_back(question.first().text);
      for (const auto& set : question.sets) statement.sets.push_back(set.front()->parameters);
      statement.each = [&question](std::size_t set, const Row& row) {
        for (auto* lookup : question.sets[set]) give(*lookup, row);
      };
    }
    answered = (*connection)->run_together(statements);
    return {};
  }));
  give_back(std::move(*connection));
  for (const auto& question : std::span(questions).first(answered))
    for (const auto& set : question.sets)
      for (auto* lookup : set) lookup->has_answer = true;
}

// ---- writing

Result<> PostgresDatabase::write(const std::function<Result<>(Session&)>& work) {
  if (m_read_only) return fail(Failure::read_only, "the server is in read-only mode");
  return m_queue->write(work);
}

void PostgresDatabase::run_together(const Jobs& jobs) {
  for (Jobs left = jobs; !left.empty();) {
    Jobs taken = left;
    for (int attempt = 1; attempt <= attempts_max; ++attempt)
      if (try_together(taken) == Then::done) break;
    left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(taken.size()));
  }
}

/// Gives each job a result, of which it may leave some out at the end, but never all; `again` where it was undone for a
/// reason that may be gone by now.
PostgresDatabase::Then PostgresDatabase::try_together(Jobs& jobs) {
  if (!m_writer || m_writer->is_lost()) {
    m_writer.reset();  // its place may be needed for the new one
    auto opened = PostgresConnection::open(m_address, m_options.patience);
    if (!opened) return give_up(jobs, opened.error());
    m_writer = std::move(*opened);
  }
  if (const auto made = make_table_of_marks(); !made) return give_up(jobs, made.error());
  if (const auto begun = begin(); !begun) return give_up(jobs, begun.error());
  std::vector<PostgresConnection::CommitHooks> hooks;
  const auto enough = std::chrono::steady_clock::now() + together_max;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    auto* job = jobs[i];
    run_in_savepoint(*job);
    if (std::chrono::steady_clock::now() > enough) jobs.resize(i + 1);
    auto added = m_writer->take_hooks();
    if (m_writer->is_lost() || m_writer->has_lost_race()) return give_up(jobs, job->result.error());
    if (job->result) std::ranges::move(added, std::back_inserter(hooks));
  }
  if (std::ranges::none_of(jobs, [](const Job* job) { return job->result.has_value(); })) {
    static_cast<void>(guarded([&]() -> Result<> {
      m_writer->defer("ROLLBACK");
      m_writer->send_deferred();
      return {};
    }));
    return Then::done;
  }
  bool again = false;
  const auto committed = commit(hooks, again);
  if (committed) return Then::done;
  for (auto* job : jobs)
    if (job->result) job->result = committed;
  return again ? Then::again : Then::done;
}

/// The transaction is undone, or the connection is gone and it will be.
PostgresDatabase::Then PostgresDatabase::give_up(const Jobs& jobs, const Error& why) {
  for (auto* job : jobs) job->result = std::unexpected(why);
  if (!m_writer) return Then::done;
  const bool again = m_writer->is_lost() || m_writer->has_lost_race();
  m_writer.reset();
  return again ? Then::again : Then::done;
}

Result<> PostgresDatabase::begin() {
  auto begun = guarded([&]() -> Result<> {
    m_writer->begin("BEGIN ISOLATION LEVEL READ COMMITTED");
    m_writer->run("SELECT pg_advisory_xact_lock($1)", {lock_of_writes});
    return {};
  });
  if (!begun && begun.error().failure == Failure::busy)
    return std::unexpected(begun.error().during("waiting for the writes of other servers; try again later"));
  return begun;
}

/// Before the first write: whoever only reads needs none. Marks of servers that are long gone are forgotten.
Result<> PostgresDatabase::make_table_of_marks() {
  if (m_has_table) return {};
  TRY(begin());
  TRY(m_writer->script("CREATE TABLE IF NOT EXISTS write_mark (writer TEXT PRIMARY KEY, batch BIGINT NOT NULL, "
                       "at TIMESTAMPTZ NOT NULL DEFAULT now()); "
                       "DELETE FROM write_mark WHERE at < now() - INTERVAL '7 days'"));
  TRY(m_writer->commit());
  m_has_table = true;
  return {};
}

void PostgresDatabase::run_in_savepoint(Job& job) {
  job.result = guarded([&] {
    m_writer->defer("SAVEPOINT job");
    return (*job.work)(*m_writer);
  });
  // Should the work have gone on in spite of a failure.
  if (job.result && m_writer->is_lost()) job.result = fail(Failure::unavailable, m_address.name + " is gone");
  if (job.result && m_writer->has_failed()) job.result = fail(Failure::io, m_address.name + ": a statement failed");
  if (m_writer->is_lost()) return;
  const auto ended = guarded([&]() -> Result<> {
    if (!job.result) m_writer->defer("ROLLBACK TO job");
    m_writer->defer("RELEASE job");
    return {};
  });
  if (!ended) job.result = ended;
}

Result<> PostgresDatabase::commit(const std::vector<PostgresConnection::CommitHooks>& hooks, bool& again) {
  const auto mark = fmt::format("INSERT INTO write_mark (writer, batch) VALUES ('{}', {}) ON CONFLICT (writer) DO "
                                "UPDATE SET batch = EXCLUDED.batch, at = now()",
                                m_mark, ++m_batch);
  for (const auto& hook : hooks) hook.begin();
  auto result = guarded([&] {
    m_writer->defer(mark.c_str());
    return m_writer->commit();
  });
  if (!result) {
    again = m_writer->has_lost_race();
    if (m_writer->is_lost()) {
      result = find_outcome(again);
    } else {
      m_writer.reset();  // with it the lock, whatever state the transaction is in
      m_has_table = false;
    }
  }
  for (const auto& hook : hooks) hook.end();
  return result;
}

/// The connection broke during a COMMIT. On a new one: was it done? `again` where it surely was not.
Result<> PostgresDatabase::find_outcome(bool& again) {
  const auto end = steady_clock::now() + m_options.patience.outcome;  // the server may be starting anew
  for (;;) {
    const auto found = has_mark();
    if (found && *found) return {};
    if (found) {
      again = true;
      return fail(Failure::unavailable, m_address.name + ": the connection broke and the change was undone; try again");
    }
    if (steady_clock::now() >= end) {
      log::error("a commit's outcome is not known", {{"error", found.error().message}});
      return fail(Failure::io, "the connection broke during a COMMIT, and whether it was done is not known: " +
                                   found.error().message);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

/// Whether the last transaction was committed. It has ended for good: it held the lock until then, and the server ends
/// it if it has heard nothing of the COMMIT.
Result<bool> PostgresDatabase::has_mark() {
  m_writer.reset();
  TRY_ASSIGN(m_writer, PostgresConnection::open(m_address, m_options.patience));
  TRY(begin());
  std::optional<std::int64_t> batch;
  TRY(guarded([&]() -> Result<> {
    batch = m_writer->number("SELECT batch FROM write_mark WHERE writer = $1", {m_mark});
    m_writer->defer("ROLLBACK");
    m_writer->send_deferred();
    return {};
  }));
  return batch == m_batch;
}

}  // namespace slipway::sql
