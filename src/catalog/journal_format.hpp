#pragma once
// The journal's text. It comes in parts, each an object of the store, of lines of JSON:
//
//   {"slipway_journal":1,"schema":5,"generation":"…","after":17,"through":23,"mark":-5,"part":0,"tables":{"tag":["repository",…],…}}
//   ["gone","tag",4,"latest"]                                     a row that is no more: its table, its key
//   ["tag",4,"latest",11,20,1763830000000000]                     a row as it is: its table, its columns' values
//   {"rows":2,"sha256":"…"}                                       how many, and of all that stands before this line
//
// A value is a number, a text or null; {"hex":"…"} and {"utf8":"…"} are bytes, {"latin":"…"} a text that is no UTF-8,
// in hexadecimal. Without "after" it tells of all rows. docs/on-disk-format.md says what parts make up.

#include "base/digest.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace slipway::catalog {

/// From one state of the catalog to another. A state is named by the sequence of its last change.
struct JournalStretch {
  std::string generation;             ///< lower-case letters, digits and dashes
  std::optional<std::int64_t> after;  ///< absent for a snapshot: from nothing
  std::int64_t through = 0;
  bool operator==(const JournalStretch&) const = default;
};

struct JournalHeader {
  JournalStretch stretch;
  std::int64_t part = 0;
  int schema = 0;                                          ///< of the tables it tells of
  std::int64_t mark = 0;                                   ///< of the last change it tells of
  std::map<std::string, std::vector<std::string>> tables;  ///< their columns
};

/// Bytes, to tell them from text.
struct JournalBytes {
  std::string bytes;
  bool operator==(const JournalBytes&) const = default;
};
using JournalValue = std::variant<std::nullptr_t, std::int64_t, std::string, JournalBytes>;

struct JournalRow {
  std::string table;
  bool gone = false;
  std::vector<JournalValue> values;  ///< in the order of the header's columns; of a gone one its change key
};

/// One row's line.
class JournalLine {
public:
  JournalLine(std::string_view table, bool gone);
  void add_null() { m_text += ",null"; }
  void add(std::int64_t number);
  void add_text(std::string_view text);
  void add_hex(ByteView bytes);
  void add_utf8(ByteView bytes);
  /// Nothing may be called afterwards.
  std::string finish() { return std::move(m_text += "]\n"); }

private:
  std::string m_text;
};

/// Writes one part, of this binary's tables.
class JournalPart {
public:
  explicit JournalPart(const JournalHeader& header);
  void add(const std::string& line);
  std::size_t size() const { return m_text.size(); }
  std::uint64_t rows() const { return m_rows; }
  /// All of it. Nothing may be called afterwards.
  std::string finish();

private:
  std::string m_text;
  std::uint64_t m_rows = 0;
};

/// Reads one part: its header, then each of its rows; what a call returns as an error ends it. Failure::corrupt, saying
/// what, where it is not whole or not what its checksum says, which is looked at before anything else; invalid where a
/// newer Slipway wrote it.
Result<> read_journal_part(std::string_view text, const std::function<Result<>(const JournalHeader&)>& header,
                           const std::function<Result<>(const JournalRow&)>& row);

}  // namespace slipway::catalog
