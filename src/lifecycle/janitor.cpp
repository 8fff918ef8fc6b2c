#include "lifecycle/janitor.hpp"

#include "base/log.hpp"
#include "catalog/keep.hpp"
#include "lifecycle/packs.hpp"

#include <algorithm>

namespace slipway::lifecycle {

constexpr std::size_t page = 100;

Result<std::size_t> finish_deletions(catalog::Catalog& catalog, blob::BlobStore& store, std::int64_t journaled,
                                     Timestamp queued_until, const std::function<bool()>& goes_on) {
  std::size_t removed = 0;
  Result<> problem;
  for (blob::LocationId after{};;) {
    TRY_ASSIGN(const auto unwanted, catalog.deletions(after, page, journaled, queued_until));
    if (unwanted.empty()) break;
    after = unwanted.back().id;
    for (const auto& location : unwanted) {  // one that cannot be removed must not hold up the others
      if (!goes_on()) return removed;
      auto gone = catalog::remove_queued(catalog, store, location);
      if (gone)
        ++removed;
      else if (gone.error().failure == Failure::busy)
        return removed;  // the store is being copied: all of it must wait
      else
        problem = std::move(gone);
    }
  }
  if (!problem) return std::unexpected(problem.error());
  return removed;
}

Result<std::size_t> expire_uploads(catalog::Catalog& catalog, blob::BlobStore& store, Timestamp before,
                                   const std::function<bool()>& goes_on) {
  std::size_t ended = 0;
  for (;;) {
    TRY_ASSIGN(const auto stale, catalog.stale_uploads(before, page));
    if (stale.empty()) return ended;
    for (const auto& upload : stale) {
      if (!goes_on()) return ended;
      TRY_ASSIGN(const auto end, catalog.remove_upload(upload.id, before));
      if (!end.ended) continue;  // it went on, or was finished: its bytes are not ours
      if (end.left) catalog::remove_all_queued(catalog, store, {*end.left});
      ++ended;
    }
  }
}

Janitor::Janitor(catalog::Catalog& catalog, blob::BlobStore& store, const Clock& clock, JanitorOptions options)
    : m_catalog(catalog), m_store(store), m_clock(clock), m_options(std::move(options)), m_thread([this] { run(); }) {}

Janitor::~Janitor() {
  {
    const std::lock_guard lock(m_mutex);
    m_stopping = true;
  }
  m_wake.notify_all();
  m_thread.join();
}

void Janitor::run() {
  std::unique_lock lock(m_mutex);
  while (!m_stopping) {
    lock.unlock();
    std::chrono::milliseconds pause = m_options.interval;
    if (!m_catalog.is_read_only() && m_options.is_ours()) {
      // Read once: what a pass left for the journal is not to wait for long because the journal came since.
      const auto journaled = m_options.journaled();
      pass(journaled);
      if (packs_wait() || awaits_journal(journaled)) pause = std::min(pause, m_options.journal_pause);
    }
    lock.lock();
    m_wake.wait_for(lock, pause, [this] { return m_stopping; });
  }
}

/// What was unwanted then has no readers any more.
Timestamp Janitor::unread_since() const {
  const auto grace = m_store.removal_grace();
  return grace > std::chrono::seconds(0) ? m_clock.now() - grace : Timestamp::max();
}

/// There are packs to remove before the next pass, of which the journal is about to know.
bool Janitor::packs_wait() {
  const auto journaled = m_options.journaled();
  const auto soon = unread_since() == Timestamp::max() ? unread_since() : unread_since() + m_options.interval;
  const auto all = m_catalog.deletions({}, 1, catalog::after_all_changes, soon);
  const auto known = m_catalog.deletions({}, 1, journaled, soon);
  return journaled != catalog::before_all_changes && all && known && !all->empty() &&
         (known->empty() || known->front().kind == blob::LocationKind::old_pack);
}

/// Whether the catalog is the newest is known once the journal has been looked at.
bool Janitor::awaits_journal(std::int64_t journaled) {
  return journaled < 0 && journaled != catalog::before_all_changes;
}

/// What is left waits for the next pass, or the next start: a bucket may take a while for each of many.
bool Janitor::goes_on() {
  const std::lock_guard lock(m_mutex);
  return !m_stopping;
}

void Janitor::pass(std::int64_t journaled) {
  const auto goes_on = [this] { return this->goes_on(); };
  if (const auto removed = finish_deletions(m_catalog, m_store, journaled, unread_since(), goes_on); !removed)
    log::warn("deleting unwanted bytes failed; it is tried again", {{"error", removed.error().message}});
  // A session of a catalog that is older than its store may be a blob by now, which another journal knows.
  if (journaled < 0)
    log::debug("forgotten uploads wait for the journal");
  else if (const auto ended = expire_uploads(m_catalog, m_store, m_clock.now() - m_options.upload_expiry, goes_on);
           !ended)
    log::warn("ending forgotten uploads failed; it is tried again", {{"error", ended.error().message}});
  else if (*ended > 0)
    log::info("forgotten uploads ended", {{"uploads", *ended}});
  if (const auto packs = compact_packs(m_catalog, m_store, m_clock.now(), goes_on); !packs)
    log::warn("compacting packs failed; it is tried again", {{"error", packs.error().message}});
  else if (packs->emptied > 0)
    log::info("packs compacted",
              {{"packs", packs->emptied}, {"blobs_moved", packs->blobs_moved}, {"bytes_moved", packs->bytes_moved}});
}

}  // namespace slipway::lifecycle
