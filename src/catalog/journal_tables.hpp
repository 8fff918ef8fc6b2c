#pragma once
// The tables that the journal tells of, and with that the ones a rebuilt catalog has in common with the one that was
// lost. What is left out: open uploads and the deletion queue (their bytes become bytes that no row knows), what is
// counted from others (pack, cache_usage), and the two settings that schema_sqlite.cpp names.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::catalog {

struct JournalColumn {
  enum class As { integer, text, hex, utf8 };  ///< the last two are BLOBs
  std::string_view name;
  As as = As::integer;
  bool drifts = false;  ///< told as it happens to be; a rebuilt catalog may have an older value
};

/// A table, and the statements that read it. Those that read changes take the sequence after which they lie as $1.
struct JournalTable {
  std::string_view name;
  std::vector<JournalColumn> columns;
  std::vector<std::string_view> primary_key;
  std::vector<std::string_view> other_name;  ///< columns that name a row besides; none for most
  std::vector<JournalColumn> change_key;     ///< what names the rows that change together; a gone one's only values
  std::string select_all;                    ///< in order of the primary key
  std::string select_present;                ///< the rows that changed and are there
  std::string select_gone;                   ///< the change keys whose rows go, before those that are there are put
};

/// In an order in which each refers to earlier ones, but for digest.manifest and manifest.subject, which form a ring.
std::span<const JournalTable> journal_tables();
/// nullptr for a name that none of them has.
const JournalTable* journal_table(std::string_view name);

}  // namespace slipway::catalog
