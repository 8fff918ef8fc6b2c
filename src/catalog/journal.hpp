#pragma once
// What the journal in the store is made of: the rows of the stated tables (journal_tables.hpp) that changed from one
// state of the catalog to another, as they are in the latter. Triggers note the keys of rows that change; here they are
// read, with their rows, in one transaction. Told from a state on, again and again, and applied in that order, they
// make the same catalog: rebuild.hpp.

#include "catalog/journal_format.hpp"
#include "sql/database.hpp"

#include <functional>

namespace slipway::catalog {

/// What of the journal is in the store for good.
struct JournalState {
  std::string generation;     ///< empty in a rebuilt catalog: there is none yet
  int schema = 0;             ///< of the tables it tells of
  std::int64_t finished = 0;  ///< the last change it has, but for what may be replaced
  std::int64_t mark = 0;      ///< that change's
  std::string superseded;     ///< the generation whose place this one took, or is to take; may be empty
  std::string planned;        ///< one that was begun, and is not this one yet; may be empty

  bool operator==(const JournalState&) const = default;
};

/// Where the parts of a stretch go, in order; `last`: it is whole with this one.
using JournalParts = std::function<Result<>(const JournalStretch&, std::int64_t part, bool last, std::string text)>;

struct JournalTold {
  JournalStretch stretch;
  std::int64_t mark = 0;  ///< of its last change
};

/// Safe to call from any thread. Errors are the database's.
class Journal {
public:
  explicit Journal(sql::Database& database) : m_database(database) {}

  /// The newest change; 0 before the first.
  Result<std::int64_t> newest();
  /// What tells a change from another of the same number, in another copy of the catalog. Nothing where it is
  /// forgotten.
  Result<std::optional<std::int64_t>> mark_of(std::int64_t change);
  Result<std::optional<JournalState>> state();
  /// Keeps a state in the place of `known`, and forgets the changes it has. Failure::conflict where another server has
  /// kept one meanwhile: what this one wrote may have been removed. Takes several transactions, so that nobody waits
  /// long for any.
  Result<> set_state(const JournalState& known, const JournalState& state);

  /// Tells what changed after `after`, or all there is, up to the state of this moment; in parts of about
  /// `part_bytes`, but never less than one row. Returns what it told of. conflict where some of the changes since are
  /// forgotten already.
  Result<JournalTold> tell(const std::string& generation, std::optional<std::int64_t> after, const JournalParts& parts,
                           std::size_t part_bytes = 4U << 20);

  bool is_read_only() const { return m_database.is_read_only(); }

private:
  sql::Database& m_database;
};

/// The rows of a table, all of them together. Equal prints are equal tables, but for columns that drift.
struct TablePrint {
  std::string_view table;
  std::uint64_t rows = 0;
  Digest digest;
  bool operator==(const TablePrint&) const = default;
};

/// Of every stated table, at one moment.
Result<std::vector<TablePrint>> journal_prints(sql::Database& database);

}  // namespace slipway::catalog
