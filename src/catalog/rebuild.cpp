#include "catalog/rebuild.hpp"

#include "catalog/journal_tables.hpp"
#include "catalog/schema.hpp"
#include "catalog/steps.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace slipway::catalog {
namespace {

constexpr int first_schema = 5;  // none of those before had a journal

bool is_identifier(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

sql::Parameter parameter_of(const JournalValue& value) {
  struct {
    sql::Parameter operator()(std::nullptr_t) const { return nullptr; }
    sql::Parameter operator()(std::int64_t number) const { return number; }
    sql::Parameter operator()(const std::string& text) const { return std::string_view(text); }
    sql::Parameter operator()(const JournalBytes& bytes) const { return as_bytes(bytes.bytes); }
  } const convert;
  return std::visit(convert, value);
}

std::unexpected<Error> damaged(const std::string& what) { return fail(Failure::corrupt, "it is damaged: " + what); }

std::string condition_of(std::span<const JournalColumn> key) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key.size(); ++i) parts.push_back(fmt::format("{} = ${}", key[i].name, i + 1));
  return fmt::format("{}", fmt::join(parts, " AND "));
}

/// The texts that put a row in the place of the one with its key.
std::string put_statement(const JournalTable& table, const std::vector<std::string>& columns) {
  std::vector<std::string> names;
  std::vector<std::string> values;
  std::vector<std::string> changes;
  for (const auto& column : columns) {
    names.push_back(fmt::format("\"{}\"", column));
    values.push_back(fmt::format("${}", values.size() + 1));
    if (std::ranges::find(table.primary_key, column) == table.primary_key.end())
      changes.push_back(fmt::format("\"{0}\" = EXCLUDED.\"{0}\"", column));
  }
  return fmt::format("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {}", table.name, fmt::join(names, ", "),
                     fmt::join(values, ", "), fmt::join(table.primary_key, ", "),
                     changes.empty() ? "NOTHING" : fmt::format("UPDATE SET {}", fmt::join(changes, ", ")));
}

}  // namespace

Result<Rebuild::Statements> Rebuild::statements_of(const std::string& name, const std::vector<std::string>& columns) {
  const auto* table = journal_table(name);
  if (!table || columns.empty() || !std::ranges::all_of(columns, is_identifier))
    return damaged("a table or column of no known name");
  Statements out{.put = put_statement(*table, columns),
                 .remove = fmt::format("DELETE FROM {} WHERE {}", name, condition_of(table->change_key)),
                 .columns = columns.size(),
                 .keys = table->change_key.size()};
  if (table->other_name.empty()) return out;
  std::vector<std::string> conditions;
  for (const auto& column : table->other_name) {
    const auto found = std::ranges::find(columns, column);
    if (found == columns.end()) return damaged("a table without its names");
    out.room.push_back(static_cast<std::size_t>(found - columns.begin()));
    conditions.push_back(fmt::format("{} = ${}", column, out.room.size()));
  }
  out.make_room = fmt::format("DELETE FROM {} WHERE {}", name, fmt::join(conditions, " AND "));
  return out;
}

/// For the tables, which are nobody's catalog until the end.
Result<> Rebuild::make_room() {
  const auto& schema = schema_of(m_database.dialect());
  return m_database.write([&](sql::Session& session) -> Result<> {
    TRY(session.script(schema.ledger));
    const auto oldest = session.number("SELECT MIN(version) FROM migration");
    if (oldest && *oldest != unfinished_version)
      return fail(Failure::conflict, "there is a catalog in the database already: it is filled only where it is empty");
    if (oldest) {
      TRY(session.script(schema.clear));
      TRY(session.script(schema.ledger));
    }
    session.run("INSERT INTO migration (version, oldest_reader, applied_at) VALUES ($1, $1, $2)",
                {unfinished_version, to_micros(m_clock.now())});
    return {};
  });
}

/// A part's header: is it the one that comes next, and of the tables there are?
Result<> Rebuild::begin(const JournalHeader& header) {
  const bool next_part = m_part >= 0 && header.stretch == m_stretch && header.part == m_part + 1;
  const bool next_stretch = m_part >= 0 && header.part == 0 && header.stretch.generation == m_stretch.generation &&
                            header.stretch.after == m_stretch.through;
  const bool first = m_part < 0 && header.part == 0 && !header.stretch.after;
  if (!next_part && !next_stretch && !first)
    return fail(Failure::conflict,
                fmt::format("it does not follow: part {} of {} from {} to {}", header.part, header.stretch.generation,
                            header.stretch.after.value_or(-1), header.stretch.through));
  if (first) {
    const auto newest = newest_schema();
    if (header.schema < first_schema || header.schema > newest)
      return fail(Failure::invalid,
                  fmt::format("it tells of schema {}, this Slipway knows {}: use a newer one", header.schema, newest));
    TRY(make_room());
    TRY(migrate(m_database, m_clock, header.schema));
    const auto* begin_filling = schema_of(m_database.dialect()).begin_filling;
    TRY(m_database.write([&](sql::Session& session) { return session.script(begin_filling); }));
    m_columns = header.tables;
    m_schema = header.schema;
    for (const auto& [table, columns] : header.tables) {
      TRY_ASSIGN(m_statements[table], statements_of(table, columns));
    }
  }
  if (header.tables != m_columns || header.schema != m_schema)
    return damaged("it tells of other tables than what came before it");
  m_stretch = header.stretch;
  m_part = header.part;
  return {};
}

void Rebuild::apply(sql::Session& session, const JournalRow& row) {
  const auto known = m_statements.find(row.table);
  if (known == m_statements.end() || row.values.size() != (row.gone ? known->second.keys : known->second.columns))
    throw sql::StatementFailed(damaged("a row of no known shape").error());
  std::vector<sql::Parameter> parameters;
  for (const auto& value : row.values) parameters.push_back(parameter_of(value));
  const auto& statements = known->second;
  if (row.gone) {
    session.run(statements.remove, parameters, [](const sql::Row&) {});
    return;
  }
  // Ids are used again: whoever has its name now goes, and is told of under its id later in the same segment.
  std::vector<sql::Parameter> room;
  for (const auto column : statements.room) room.push_back(parameters[column]);
  if (!room.empty()) session.run(statements.make_room, room, [](const sql::Row&) {});
  session.run(statements.put, parameters, [](const sql::Row&) {});
}

Result<> Rebuild::apply(std::string_view part) {
  // The header comes before the transaction: it may have to make the tables.
  std::vector<JournalRow> rows;
  const auto flush = [&] {
    auto applied = m_database.write([&](sql::Session& session) -> Result<> {
      for (const auto& row : rows) apply(session, row);
      session.run("DELETE FROM change");
      return {};
    });
    rows.clear();
    return applied;
  };
  constexpr std::size_t rows_at_once = 1000;
  TRY(read_journal_part(
      part, [this](const JournalHeader& header) { return begin(header); },
      [&](const JournalRow& row) -> Result<> {
        rows.push_back(row);
        ++m_rows;
        return rows.size() < rows_at_once ? Result<>() : flush();
      }));
  return flush();
}

Result<> Rebuild::finish(bool takes_its_place) {
  if (m_part < 0) return fail(Failure::not_found, "there is no journal");
  TRY(migrate(m_database, m_clock));
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("DELETE FROM pack WHERE blobs > 0");
    session.run("INSERT INTO pack (key, blobs, bytes) SELECT key, COUNT(*), SUM(length) FROM location WHERE kind = 3 "
                "GROUP BY key");
    session.run("DELETE FROM cache_usage");
    session.run("INSERT INTO cache_usage (repository, entries, bytes) SELECT e.repository, COUNT(*), SUM(b.size) FROM "
                "cache_entry e JOIN blob b ON b.id = e.blob GROUP BY e.repository");
    const auto highest = session.number("SELECT MAX(id) FROM location").value_or(0);
    leap_over_locations(session, highest + 1);
    session.run("DELETE FROM change");
    TRY(session.script(schema_of(m_database.dialect()).end_filling));
    session.run(
        "INSERT INTO journal_state (generation, schema, finished, mark, superseded, planned) VALUES ('', 0, 0, 0, "
        "$1, '')",
        {takes_its_place ? m_stretch.generation : std::string()});
    session.run("DELETE FROM migration WHERE version = $1", {unfinished_version});
    return {};
  });
}

}  // namespace slipway::catalog
