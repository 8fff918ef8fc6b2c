#pragma once
// When the packages of a repository were first published, out of git's history: read once, on a thread of its own,
// since a long history takes a while. What is published from then on is noted as it is.

#include "base/wake.hpp"
#include "catalog/catalog.hpp"
#include "opam/source_place.hpp"

#include <condition_variable>
#include <thread>

namespace slipway::opam {

/// The report that says that it was read.
inline std::string dates_report_name(const SourcePlace& place) { return "opam-dates:" + place.text(); }

/// Safe to call from any thread.
class Dates {
public:
  /// The history's clone is `directory`. The catalog outlives it.
  Dates(SourcePlace place, std::string directory, catalog::Catalog& catalog);
  /// Ends what is under way: it is gone on with another time.
  ~Dates();
  Dates(const Dates&) = delete;

  /// The history is to be read, unless it was.
  void want();

private:
  void work();
  Result<> read();

  const SourcePlace m_place;
  const std::string m_directory;
  catalog::Catalog& m_catalog;
  Wake m_stop;         // rung once
  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_changed;
  bool m_is_wanted = false;
  bool m_is_ending = false;
  std::thread m_thread;  // the last: it uses the others
};

}  // namespace slipway::opam
