#pragma once
// How the journal lies in the store: a *generation* is a snapshot, which tells of all rows, and the segments after it,
// each of which tells what changed since the one before. Each is one object or several, its parts:
//
//   <generation>.snapshot.<through>.<part>[.end]
//   <generation>.<after>.<through>.<part>[.end]
//
// numbers in hexadecimal, 16 digits, the part 4; `.end` is the last part's. A generation's name is eight digits that
// count generations, a dash, and eight random ones.

#include "blob/objects.hpp"
#include "catalog/journal_format.hpp"

#include <map>
#include <span>

namespace slipway::lifecycle {

struct JournalObject {
  catalog::JournalStretch stretch;
  std::int64_t part = 0;
  bool last = false;
  bool operator==(const JournalObject&) const = default;
};

std::string name_of(const JournalObject& object);
/// Nothing for a name of another form.
std::optional<JournalObject> journal_object(std::string_view name);

/// A snapshot or segment that is there with all its parts.
struct WholeStretch {
  catalog::JournalStretch stretch;
  std::vector<std::string> names;  ///< in order
  std::uint64_t size = 0;
};

/// What a rebuild would use of a generation.
struct JournalChain {
  std::vector<WholeStretch> stretches;  ///< the snapshot, then the segments; empty without a whole snapshot
  std::vector<std::string> unused;      ///< names of its other objects
  std::int64_t reach() const { return stretches.empty() ? -1 : stretches.back().stretch.through; }
  std::uint64_t size() const;
};

struct JournalSurvey {
  std::map<std::string, JournalChain> generations;  ///< the newest last
  std::vector<std::string> others;                  ///< names of another form
};
JournalSurvey survey_journal(std::span<const blob::NamedObject> objects);

/// A name for the generation after all of these.
std::string next_generation(const JournalSurvey& survey);

}  // namespace slipway::lifecycle
