#include "lifecycle/journal_keeper.hpp"

#include "base/log.hpp"
#include "catalog/schema.hpp"

#include <utility>

namespace slipway::lifecycle {

Result<bool> JournalWriter::pass() {
  if (m_journal.is_read_only()) return false;
  auto written = try_pass();
  if (!written) m_has_place = false;
  return written;
}

Result<bool> JournalWriter::try_pass() {
  if (!m_has_place) TRY(find_place());
  if (m_planned) {
    TRY(begin_generation());
    return true;
  }
  TRY_ASSIGN(const auto newest, m_journal.newest());
  if (newest == m_reach) return false;
  TRY(write_segment());
  m_has_place = !is_outweighed();
  return true;
}

/// Compares what the catalog thinks of the journal with what is there, and removes what is of no use. Goes on in the
/// same generation, or plans a new one.
Result<> JournalWriter::find_place() {
  TRY_ASSIGN(const auto objects, m_objects.list());
  auto survey = survey_journal(objects);
  TRY_ASSIGN(m_state, m_journal.state());
  TRY_ASSIGN(const auto newest, m_journal.newest());
  const auto own = survey.generations.find(m_state ? m_state->generation : "");
  TRY(remove(survey.others));  // left by a crash in the middle of writing one
  for (auto at = survey.generations.begin(); at != survey.generations.end(); ++at)
    if (at != own && at->second.stretches.empty()) TRY(remove(at->second.unused));

  const int schema = catalog::migrations().back().version;
  const bool is_there = own != survey.generations.end();
  const bool gone_back = is_there && own->second.reach() > newest;
  const bool is_usable =
      is_there && !gone_back && own->second.reach() >= m_state->finished && m_state->schema == schema;
  if (gone_back)
    log::warn("the catalog is older than its journal in the store: what was changed since is in the journal, from "
              "which 'slipway rebuild' makes a catalog",
              {{"generation", own->first}});
  if (is_usable) {
    for (const auto& object : objects)
      if (!m_state->superseded.empty() && object.name.starts_with(m_state->superseded + "."))
        TRY(m_objects.remove(object.name));
    TRY(go_on(std::move(own->second)));
  }
  m_planned.reset();
  m_has_place = true;
  if (is_usable && (m_hurried || !is_outweighed())) return {};
  m_planned = {next_generation(survey), schema, 0, ""};
  if (m_state && !gone_back) m_planned->superseded = is_there ? own->first : m_state->superseded;
  return {};
}

/// After the last finished segment; what goes further is the open one.
Result<> JournalWriter::go_on(JournalChain chain) {
  TRY(remove(chain.unused));
  m_open = {};
  m_size = 0;
  m_segments = 0;
  m_snapshot_size = chain.stretches.front().size;
  m_reach = chain.reach();
  for (auto& stretch : chain.stretches) {
    if (stretch.stretch.through > m_state->finished) {
      m_open = std::move(stretch);
    } else {
      m_size += stretch.size;
      ++m_segments;
    }
  }
  return {};
}

bool JournalWriter::is_outweighed() const {
  const auto segments = m_size - m_snapshot_size;
  return m_segments > m_options.segments_max ||
         segments > std::max<std::uint64_t>(m_snapshot_size, m_options.outweigh_bytes);
}

Result<WholeStretch> JournalWriter::write(const std::string& generation, std::optional<std::int64_t> after) {
  WholeStretch out;
  const auto put = [&](const catalog::JournalStretch& stretch, std::int64_t part, bool last,
                       const std::string& text) -> Result<> {
    if (m_hurried && !after && part > 0)
      return fail(Failure::busy, "the server stops: the snapshot is written after its next start");
    out.names.push_back(name_of({stretch, part, last}));
    out.size += text.size();
    return m_objects.put(out.names.back(), text);
  };
  TRY_ASSIGN(out.stretch, m_journal.tell(generation, after, put, m_options.part_bytes));
  return out;
}

Result<> JournalWriter::write_segment() {
  TRY_ASSIGN(auto segment, write(m_state->generation, m_state->finished));
  const auto replaced = std::exchange(m_open, std::move(segment));
  m_reach = m_open.stretch.through;
  TRY(remove(replaced.names));
  const bool is_finished =
      m_open.size >= m_options.segment_bytes || m_reach - m_state->finished >= m_options.changes_max;
  if (!is_finished) return {};
  m_state->finished = m_reach;
  TRY(m_journal.set_state(*m_state));
  m_size += std::exchange(m_open, {}).size;
  ++m_segments;
  return {};
}

Result<> JournalWriter::begin_generation() {
  TRY_ASSIGN(const auto snapshot, write(m_planned->generation, std::nullopt));
  m_planned->finished = snapshot.stretch.through;
  TRY(m_journal.set_state(*m_planned));
  m_has_place = false;  // the next pass removes the one before
  m_reach = snapshot.stretch.through;
  return {};
}

Result<> JournalWriter::remove(const std::vector<std::string>& names) {
  for (const auto& name : names) TRY(m_objects.remove(name));
  return {};
}

// ---- on a thread

JournalKeeper::JournalKeeper(catalog::Journal journal, blob::Objects& objects, Metrics& metrics, JournalOptions options)
    : m_interval(options.interval), m_writer(journal, objects, options), m_current_at(std::chrono::steady_clock::now()),
      m_lag(metrics.gauge("slipway_journal_lag_seconds",
                          "How old the catalog's state is that the journal in the store would rebuild")),
      m_size(metrics.gauge("slipway_journal_bytes", "What the journal in the store takes")),
      m_collector(metrics.before_exposition([this] {
        const std::lock_guard lock(m_mutex);
        m_lag.set(std::chrono::duration<double>(std::chrono::steady_clock::now() - m_current_at).count());
      })),
      m_thread([this] { run(); }) {}

JournalKeeper::~JournalKeeper() {
  {
    const std::lock_guard lock(m_mutex);
    m_stopping = true;
  }
  m_writer.hurry();
  m_wake.notify_all();
  m_thread.join();
}

void JournalKeeper::run() {
  std::unique_lock lock(m_mutex);
  for (bool last = false; !last;) {
    last = m_stopping;  // one more pass, for what changed since the one before
    lock.unlock();
    pass();
    lock.lock();
    if (!last) m_wake.wait_for(lock, m_interval, [this] { return m_stopping; });
  }
}

void JournalKeeper::pass() {
  const auto began = std::chrono::steady_clock::now();
  const auto written = m_writer.pass();
  m_size.set(static_cast<double>(m_writer.size()));
  if (!written && !m_failing)
    log::warn("the journal in the store falls behind; it is tried again every few seconds",
              {{"error", written.error().message}});
  if (written && m_failing) log::info("the journal in the store is up to date again");
  m_failing = !written;
  if (!written) return;
  const std::lock_guard lock(m_mutex);
  m_current_at = began;
}

}  // namespace slipway::lifecycle
