#include "catalog/journal.hpp"

#include "catalog/journal_tables.hpp"
#include "catalog/schema.hpp"

namespace slipway::catalog {
namespace {

constexpr std::int64_t forgotten_at_once = 5000;

/// A row's columns, from the first, as a line.
std::string line_of(const JournalTable& table, const sql::Row& row, std::span<const JournalColumn> columns, bool gone,
                    bool with_drifting = true) {
  JournalLine line(table.name, gone);
  for (int i = 0; const auto& column : columns) {
    const int at = i++;
    if (column.drifts && !with_drifting) continue;
    if (row.is_null(at))
      line.add_null();
    else
      switch (column.as) {
      case JournalColumn::As::integer: line.add(row.integer(at)); break;
      case JournalColumn::As::text: line.add_text(row.text(at)); break;
      case JournalColumn::As::hex: line.add_hex(row.blob(at)); break;
      case JournalColumn::As::utf8: line.add_utf8(row.blob(at)); break;
      }
  }
  return line.finish();
}

/// Cuts rows into parts.
class Teller {
public:
  Teller(const JournalTold& told, const JournalParts& parts, std::size_t part_bytes)
      : m_header{.stretch = told.stretch, .schema = newest_schema(), .mark = told.mark}, m_parts(parts),
        m_part_bytes(part_bytes), m_part(m_header) {}

  void tell(const sql::Row& row, const JournalTable& table, bool gone) {
    if (m_part.rows() > 0 && m_part.size() >= m_part_bytes) hand_on(false);
    m_part.add(line_of(table, row, gone ? table.change_key : table.columns, gone));
  }

  void end() { hand_on(true); }

private:
  void hand_on(bool last) {
    if (auto put = m_parts(m_header.stretch, m_header.part, last, m_part.finish()); !put)
      throw sql::StatementFailed(put.error());  // ends the transaction
    ++m_header.part;
    m_part = JournalPart(m_header);
  }

  JournalHeader m_header;
  const JournalParts& m_parts;
  const std::size_t m_part_bytes;
  JournalPart m_part;
};

std::int64_t newest_change(sql::Session& session) {
  return session.number("SELECT MAX(sequence) FROM change").value_or(0);
}

std::optional<std::int64_t> mark_of_change(sql::Session& session, std::int64_t change) {
  return session.number("SELECT mark FROM change WHERE sequence = $1", {change});
}

std::optional<JournalState> state_in(sql::Session& session) {
  std::optional<JournalState> out;
  session.run("SELECT generation, schema, finished, mark, superseded, planned FROM journal_state", {},
              [&](const sql::Row& row) {
                out = {.generation = std::string(row.text(0)),
                       .schema = static_cast<int>(row.integer(1)),
                       .finished = row.integer(2),
                       .mark = row.integer(3),
                       .superseded = std::string(row.text(4)),
                       .planned = std::string(row.text(5))};
              });
  return out;
}

Error another_writes() { return {Failure::conflict, "another server has gone on with the journal"}; }

}  // namespace

Result<std::int64_t> Journal::newest() {
  std::int64_t out = 0;
  TRY(m_database.read([&](sql::Session& session) { out = newest_change(session); }));
  return out;
}

Result<std::optional<std::int64_t>> Journal::mark_of(std::int64_t change) {
  std::optional<std::int64_t> out;
  TRY(m_database.read([&](sql::Session& session) { out = mark_of_change(session, change); }));
  return out;
}

Result<std::optional<JournalState>> Journal::state() {
  std::optional<JournalState> out;
  TRY(m_database.read([&](sql::Session& session) { out = state_in(session); }));
  return out;
}

Result<> Journal::set_state(const JournalState& known, const JournalState& state) {
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    if (state_in(session).value_or(JournalState()) != known) return std::unexpected(another_writes());
    session.run("DELETE FROM journal_state");
    session.run(
        "INSERT INTO journal_state (generation, schema, finished, mark, superseded, planned) VALUES ($1, $2, "
        "$3, $4, $5, $6)",
        {state.generation, std::int64_t{state.schema}, state.finished, state.mark, state.superseded, state.planned});
    return {};
  }));
  for (std::int64_t forgotten = forgotten_at_once; forgotten == forgotten_at_once;)
    TRY(m_database.write([&](sql::Session& session) -> Result<> {
      forgotten = session.run("DELETE FROM change WHERE sequence IN (SELECT sequence FROM change WHERE sequence <= $1 "
                              "AND sequence < (SELECT MAX(sequence) FROM change) ORDER BY sequence LIMIT $2)",
                              {state.finished, forgotten_at_once});
      return {};
    }));
  return {};
}

Result<JournalTold> Journal::tell(const std::string& generation, std::optional<std::int64_t> after,
                                  const JournalParts& parts, std::size_t part_bytes) {
  JournalTold told{{generation, after, 0}, 0};
  TRY(m_database.read([&](sql::Session& session) {
    // Some of the changes since may have been forgotten.
    if (after && state_in(session).value_or(JournalState()).finished > *after)
      throw sql::StatementFailed(another_writes());
    told.stretch.through = newest_change(session);
    told.mark = mark_of_change(session, told.stretch.through).value_or(0);
    Teller teller(told, parts, part_bytes);
    const auto tell = [&](const std::string& select, const JournalTable& table, bool gone,
                          std::initializer_list<sql::Parameter> parameters) {
      session.run(select, parameters, [&](const sql::Row& row) { teller.tell(row, table, gone); });
    };
    if (after) {
      // What is gone comes first: a name that one row had another may have by now.
      for (const auto& table : journal_tables()) tell(table.select_gone, table, true, {*after});
      for (const auto& table : journal_tables()) tell(table.select_present, table, false, {*after});
    } else {
      for (const auto& table : journal_tables()) tell(table.select_all, table, false, {});
    }
    teller.end();
  }));
  return told;
}

Result<std::vector<TablePrint>> journal_prints(sql::Database& database) {
  std::vector<TablePrint> out;
  TRY(database.read([&](sql::Session& session) {
    out.clear();
    for (const auto& table : journal_tables()) {
      TablePrint print{table.name, 0, {}};
      Hasher hasher(Algorithm::sha256);
      session.run(table.select_all, {}, [&](const sql::Row& row) {
        hasher.update(as_bytes(line_of(table, row, table.columns, false, false)));
        ++print.rows;
      });
      print.digest = hasher.digest();
      out.push_back(print);
    }
  }));
  return out;
}

}  // namespace slipway::catalog
