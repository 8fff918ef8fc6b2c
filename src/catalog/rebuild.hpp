#pragma once
// Makes a catalog again of its journal.

#include "catalog/journal_format.hpp"
#include "catalog/records.hpp"
#include "sql/database.hpp"

namespace slipway::catalog {

/// Fills an empty database: SQLite's does not check references, for they hold only once everything is there; of
/// PostgreSQL's they are taken away until the end. What another that did not come to its end has left is taken away
/// first; Failure::conflict where there is a catalog. One thread at a time.
class Rebuild {
public:
  Rebuild(sql::Database& database, const Clock& clock) : m_database(database), m_clock(clock) {}

  /// Applies one part, some rows at a time. The first one of a snapshot, then the rest, in order; conflict, saying what
  /// was expected, for any other. Tables are made as they were when it was written. invalid where a newer Slipway wrote
  /// it.
  Result<> apply(std::string_view part);
  /// Where it is.
  const JournalStretch& stretch() const { return m_stretch; }
  std::uint64_t rows() const { return m_rows; }

  /// Brings the tables up to this binary's, and counts what is counted from others. The catalog gives out no location
  /// id that the one before may have. Its first journal of its own takes the place of the one it was made of, unless
  /// that one knows more.
  Result<> finish(bool takes_its_place = true);

private:
  Result<> make_room();
  Result<> begin(const JournalHeader& header);
  void apply(sql::Session& session, const JournalRow& row);

  /// Statements live as long as the database wants them to.
  struct Statements {
    std::string put, remove, make_room;
    std::size_t columns = 0, keys = 0;
    std::vector<std::size_t> room;  ///< the columns that make_room takes; none where it has nothing to do
  };
  Result<Statements> statements_of(const std::string& table, const std::vector<std::string>& columns);

  sql::Database& m_database;
  const Clock& m_clock;
  JournalStretch m_stretch;
  std::int64_t m_part = -1;  // the last one applied of m_stretch
  int m_schema = 0;
  std::uint64_t m_rows = 0;
  std::map<std::string, std::vector<std::string>> m_columns;
  std::map<std::string, Statements> m_statements;
};

}  // namespace slipway::catalog
