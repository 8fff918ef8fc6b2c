#pragma once
// Finishes in the background what requests leave: bytes in the deletion queue, uploads nobody came back for, packs with
// holes. It follows rows of the catalog, never listings of the store. (Collection, retention and scrubbing will live
// beside it.)

#include "blob/store.hpp"
#include "catalog/catalog.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace slipway::lifecycle {

struct JanitorOptions {
  std::chrono::seconds interval{60};
  std::chrono::milliseconds journal_pause{5000};  ///< instead, where something waits for the journal
  std::chrono::seconds upload_expiry{24 * 3600};
  /// The last change that every journal knows, before_all_changes where one never will; without it there is none to
  /// wait for.
  std::function<std::int64_t()> journaled = [] { return catalog::after_all_changes; };
  /// Asked before each pass: others may do it for all.
  std::function<bool()> is_ours = [] { return true; };
};

/// Removes the bytes of every location in the deletion queue, but for packs that the journal speaks of as yet (see
/// Catalog::deletions), then its row. Returns how many went; the last failure, if one cannot be removed, after all
/// others were. Asked before each, `goes_on` may end it early.
Result<std::size_t> finish_deletions(
    catalog::Catalog& catalog, blob::BlobStore& store, std::int64_t journaled = catalog::after_all_changes,
    Timestamp queued_until = Timestamp::max(), const std::function<bool()>& goes_on = [] { return true; });

/// Ends sessions untouched since `before`: the row first, then the bytes. Returns how many ended; `goes_on` as above.
Result<std::size_t> expire_uploads(
    catalog::Catalog& catalog, blob::BlobStore& store, Timestamp before,
    const std::function<bool()>& goes_on = [] { return true; });

/// Does all of it every interval, on a thread of its own, until destroyed. Everything it is given outlives it.
class Janitor {
public:
  Janitor(catalog::Catalog& catalog, blob::BlobStore& store, const Clock& clock, JanitorOptions options);
  ~Janitor();

private:
  void run();
  void pass(std::int64_t journaled);
  bool goes_on();
  Timestamp unread_since() const;
  bool packs_wait();
  static bool awaits_journal(std::int64_t journaled);

  catalog::Catalog& m_catalog;
  blob::BlobStore& m_store;
  const Clock& m_clock;
  const JanitorOptions m_options;
  std::mutex m_mutex;  // guards m_stopping
  std::condition_variable m_wake;
  bool m_stopping = false;
  std::thread m_thread;
};

}  // namespace slipway::lifecycle
