#pragma once
// Keeps the journal in the store a few seconds behind the catalog, so that the store alone can rebuild it. What changed
// since the last finished segment is written as a segment, again with what came after until it is worth an object of
// its own; when the segments outweigh the snapshot they follow, a new generation is begun.
//
// A generation is removed once another has taken its place. It is left where the catalog has gone back behind it, as
// by an older copy put in its place: then it knows what the catalog does not.

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "catalog/journal.hpp"
#include "lifecycle/journal_objects.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace slipway::lifecycle {

struct JournalOptions {
  std::chrono::milliseconds interval{2000};
  std::size_t part_bytes = 4U << 20;
  std::uint64_t segment_bytes = 64U << 10;   ///< from here on a segment is finished
  std::int64_t changes_max = 10'000;         ///< and where it took more changes than these, however small it is
  std::uint64_t outweigh_bytes = 16U << 20;  ///< segments smaller than this never outweigh a snapshot
  std::size_t segments_max = 4096;           ///< more do, whatever they weigh
  /// Asked before each pass, and before each object of one: others write the same journal, and it is not our turn.
  std::function<bool()> is_ours = [] { return true; };
};

/// The chain goes on from this catalog's past, of which `state` is what it thinks of the journal, to a future that is
/// not its own: the catalog was replaced by an older copy.
Result<bool> is_other_future(const JournalChain& chain, const catalog::JournalState& state, catalog::Journal journal,
                             blob::Objects& objects);

/// One pass at a time.
class JournalWriter {
public:
  JournalWriter(catalog::Journal journal, blob::Objects& objects, JournalOptions options)
      : m_journal(journal), m_objects(objects), m_options(options) {}

  /// Writes what changed since the last pass; returns true if that was something. After an error the next pass looks at
  /// everything anew. A read-only catalog's segments are written, but no snapshot is.
  Result<bool> pass();
  /// The next pass looks at everything anew, for others may have written meanwhile.
  void forget_place() { m_has_place = m_is_current = false; }
  /// From any thread: a large snapshot is given up, and left to whoever starts next.
  void hurry() { m_hurried = true; }
  /// After the last pass the store had all there was.
  bool is_current() const { return m_is_current; }
  /// The last change that is in the store, and how much all of it is.
  std::int64_t reach() const { return m_reach; }
  std::uint64_t size() const { return m_size + m_open.size; }
  /// There are generations that may know what this catalog does not.
  bool has_others() const { return m_has_others; }

private:
  Result<bool> try_pass();
  bool may_begin();
  Result<> find_place();
  Result<> clear_up(const std::vector<blob::NamedObject>& objects, const JournalSurvey& survey);
  Result<> go_on(JournalChain chain);
  Result<> remove_unused(const JournalChain& chain);
  Result<> begin_generation();
  Result<> write_segment();
  Result<WholeStretch> write(const std::string& generation, std::optional<std::int64_t> after, std::int64_t& mark);
  Result<> keep(const catalog::JournalState& state);
  Result<> remove(const std::vector<std::string>& names);
  bool is_outweighed() const;

  catalog::Journal m_journal;
  blob::Objects& m_objects;
  const JournalOptions m_options;
  std::atomic<bool> m_hurried{false};
  bool m_has_place = false;
  bool m_has_others = false;
  bool m_is_current = false;
  catalog::JournalState m_state;                   // what the catalog has
  bool m_is_usable = false;                        // its generation can be gone on with
  std::optional<catalog::JournalState> m_planned;  // a generation to be begun
  int m_wait = 0;                                  // passes before a snapshot that failed is tried again
  int m_waited = 0;
  WholeStretch m_open;  // the last segment, while it may still be replaced
  std::int64_t m_reach = -1;
  std::uint64_t m_size = 0;  // of finished stretches
  std::uint64_t m_snapshot_size = 0;
  std::size_t m_segments = 0;
};

/// Does a pass every interval, on a thread of its own, and a last one when it is destroyed. Everything it is given
/// outlives it.
class JournalKeeper {
public:
  JournalKeeper(catalog::Journal journal, blob::Objects& objects, Metrics& metrics, JournalOptions options);
  ~JournalKeeper();

  /// From any thread: changes up to this one are in every journal that there is, so that no rebuilt catalog is behind
  /// them; before_all_changes while there are others than the catalog's own.
  std::int64_t surely_known() const { return m_surely_known; }

private:
  void run();
  void pass();

  const std::chrono::milliseconds m_interval;
  const std::function<bool()> m_is_ours;
  JournalWriter m_writer;  // the thread's alone
  bool m_failing = false;  // the thread's alone
  std::atomic<std::int64_t> m_surely_known{-1};

  std::mutex m_mutex;  // guards the next three
  std::condition_variable m_wake;
  bool m_stopping = false;
  Steady m_current_at;  // when the store had all there was

  Gauge& m_lag;
  Gauge& m_size;
  Metrics::Collector m_collector;
  std::thread m_thread;
};

}  // namespace slipway::lifecycle
