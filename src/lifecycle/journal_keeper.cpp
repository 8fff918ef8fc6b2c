#include "lifecycle/journal_keeper.hpp"

#include "base/log.hpp"
#include "catalog/records.hpp"
#include "catalog/schema.hpp"

#include <algorithm>
#include <utility>

namespace slipway::lifecycle {

Result<bool> is_other_future(const JournalChain& chain, const catalog::JournalState& state, catalog::Journal journal,
                             blob::Objects& objects) {
  const auto reach = chain.reach();
  if (chain.stretches.empty() || reach < state.finished) return false;
  TRY_ASSIGN(const auto text, objects.get(chain.stretches.back().names.front()));
  std::optional<std::int64_t> theirs;
  const auto read = catalog::read_journal_part(
      text,
      [&](const catalog::JournalHeader& header) -> Result<> {
        theirs = header.mark;
        return {};
      },
      [](const catalog::JournalRow&) -> Result<> { return {}; });
  if (!read) return false;  // damaged, it is no future at all
  std::optional<std::int64_t> ours = state.mark;
  if (reach != state.finished) {
    TRY_ASSIGN(ours, journal.mark_of(reach));
  }
  return ours != theirs;
}

Result<bool> JournalWriter::pass() {
  auto written = try_pass();
  if (!written) m_has_place = m_is_current = false;
  return written;
}

Result<bool> JournalWriter::try_pass() {
  if (!m_has_place) TRY(find_place());
  if (m_planned && may_begin()) {
    TRY(begin_generation());
    m_is_current = true;
    return true;
  }
  TRY_ASSIGN(const auto newest, m_journal.newest());
  m_is_current = m_is_usable && newest == m_reach;
  if (m_is_current || !m_is_usable) return false;
  TRY(write_segment());
  m_is_current = true;
  if (is_outweighed() && !m_planned) m_has_place = false;
  return true;
}

/// Where a snapshot cannot be written, segments go on, if there is what they may follow; it is tried again now and
/// then.
bool JournalWriter::may_begin() {
  constexpr int wait_max = 1000;
  if (m_journal.is_read_only() || (m_hurried && m_is_usable) || m_waited++ < m_wait) return false;
  m_waited = 0;
  m_wait = std::min(2 * m_wait + 1, wait_max);
  return true;
}

/// Compares what the catalog thinks of the journal with what is there. Goes on in the same generation, or plans a new
/// one.
Result<> JournalWriter::find_place() {
  TRY_ASSIGN(const auto state, m_journal.state());
  m_state = state.value_or(catalog::JournalState());
  TRY_ASSIGN(const auto objects, m_objects.list());
  auto survey = survey_journal(objects);
  TRY(clear_up(objects, survey));
  const auto own = survey.generations.find(m_state.generation);
  const bool is_there = own != survey.generations.end();
  const int schema = catalog::newest_schema();
  bool gone_back = false;
  if (is_there) {
    TRY_ASSIGN(gone_back, is_other_future(own->second, m_state, m_journal, m_objects));
  }
  if (gone_back) {
    log::warn("the catalog is older than its journal in the store: what was changed since is in the journal, from "
              "which 'slipway rebuild' makes a catalog",
              {{"generation", own->first}});
    m_has_others = true;
  }
  m_is_usable = is_there && !gone_back && own->second.reach() >= m_state.finished && m_state.schema == schema;
  if (m_is_usable) TRY(go_on(std::move(own->second)));
  m_planned.reset();
  if (!m_is_usable || is_outweighed()) {
    m_planned = catalog::JournalState{.generation = next_generation(survey), .schema = schema};
    if (!gone_back) m_planned->superseded = is_there ? own->first : m_state.superseded;
  }
  m_has_place = true;
  return {};
}

/// Removes what crashes left, and generations whose place was taken. Others are somebody's.
Result<> JournalWriter::clear_up(const std::vector<blob::NamedObject>& objects, const JournalSurvey& survey) {
  const auto abandoned = m_state.planned;
  if (!abandoned.empty() && !m_journal.is_read_only()) {  // whoever may still be at it finds that it is not wanted
    auto state = m_state;
    state.planned.clear();
    TRY(keep(state));
  }
  for (const auto& name : survey.others)
    if (name.ends_with(".new")) TRY(m_objects.remove(name));
  const auto is_of = [](const blob::NamedObject& object, const std::string& generation) {
    return !generation.empty() && object.name.starts_with(generation + ".");
  };
  // Only once there is a generation of the catalog's own has it taken the place of another.
  const bool took_place = !m_state.generation.empty() && survey.generations.contains(m_state.generation);
  bool has_others = false;
  for (const auto& object : objects) {
    if (!journal_object(object.name)) continue;
    if ((m_state.planned.empty() && is_of(object, abandoned)) || (took_place && is_of(object, m_state.superseded)))
      TRY(m_objects.remove(object.name));
    else if (!is_of(object, m_state.generation) && !is_of(object, m_state.superseded) && !is_of(object, abandoned))
      has_others = true;
  }
  m_has_others = has_others;
  return {};
}

/// After the last finished segment; what goes further from its end is the open one. One that goes further from before
/// its end has it within: the server that wrote it did not know that another had finished that.
Result<> JournalWriter::go_on(JournalChain chain) {
  m_open = {};
  m_size = 0;
  m_segments = 0;
  m_snapshot_size = chain.stretches.front().size;
  m_reach = chain.reach();
  for (auto& stretch : chain.stretches) {
    if (stretch.stretch.after == m_state.finished) {
      m_open = std::move(stretch);
    } else {
      m_size += stretch.size;
      ++m_segments;
    }
  }
  if (m_open.names.empty() && m_reach > m_state.finished) {
    auto state = m_state;
    state.finished = m_reach;
    TRY(keep(state));
  }
  return remove_unused(chain);
}

/// What goes further than the journal somebody may still be writing.
Result<> JournalWriter::remove_unused(const JournalChain& chain) {
  for (const auto& name : chain.unused) {
    const auto object = journal_object(name);
    if (object && object->stretch.after >= m_state.finished && object->stretch.through > m_reach) continue;
    if (!m_options.is_ours()) return fail(Failure::conflict, "another server goes on with the journal");
    TRY(m_objects.remove(name));
  }
  return {};
}

bool JournalWriter::is_outweighed() const {
  const auto segments = m_size - m_snapshot_size;
  return m_segments > m_options.segments_max ||
         segments > std::max<std::uint64_t>(m_snapshot_size, m_options.outweigh_bytes);
}

Result<WholeStretch> JournalWriter::write(const std::string& generation, std::optional<std::int64_t> after,
                                          std::int64_t& mark) {
  WholeStretch out;
  const auto put = [&](const catalog::JournalStretch& stretch, std::int64_t part, bool last,
                       const std::string& text) -> Result<> {
    if (m_hurried && !after && part > 0)
      return fail(Failure::busy, "the server stops: the snapshot is written after its next start");
    if (!m_options.is_ours()) return fail(Failure::conflict, "another server goes on with the journal");
    out.names.push_back(name_of({stretch, part, last}));
    out.size += text.size();
    return m_objects.put(out.names.back(), text);
  };
  auto told = m_journal.tell(generation, after, put, m_options.part_bytes);
  if (!told) {
    if (!after) static_cast<void>(remove(out.names));  // nobody else may know of them any more
    return std::unexpected(told.error());
  }
  out.stretch = std::move(told->stretch);
  mark = told->mark;
  return out;
}

Result<> JournalWriter::write_segment() {
  auto state = m_state;
  TRY_ASSIGN(auto segment, write(state.generation, state.finished, state.mark));
  const auto replaced = std::exchange(m_open, std::move(segment));
  m_reach = m_open.stretch.through;
  TRY(remove(replaced.names));
  const bool is_finished = m_open.size >= m_options.segment_bytes || m_reach - state.finished >= m_options.changes_max;
  if (!is_finished || m_journal.is_read_only()) return {};
  state.finished = m_reach;
  TRY(keep(state));
  m_size += std::exchange(m_open, {}).size;
  ++m_segments;
  return {};
}

Result<> JournalWriter::begin_generation() {
  auto state = m_state;
  state.planned = m_planned->generation;  // to be found, should this be as far as it comes
  TRY(keep(state));
  TRY_ASSIGN(const auto snapshot, write(m_planned->generation, std::nullopt, m_planned->mark));
  m_planned->finished = snapshot.stretch.through;
  if (auto kept = keep(*m_planned); !kept) {
    if (kept.error().failure == Failure::conflict) static_cast<void>(remove(snapshot.names));  // nor of these
    return kept;
  }
  m_has_place = false;  // the next pass removes the one before
  m_reach = snapshot.stretch.through;
  m_wait = 0;
  return {};
}

Result<> JournalWriter::keep(const catalog::JournalState& state) {
  TRY(m_journal.set_state(m_state, state));
  m_state = state;
  return {};
}

Result<> JournalWriter::remove(const std::vector<std::string>& names) {
  for (const auto& name : names) TRY(m_objects.remove(name));
  return {};
}

// ---- on a thread

JournalKeeper::JournalKeeper(catalog::Journal journal, blob::Objects& objects, Metrics& metrics, JournalOptions options)
    : m_interval(options.interval), m_is_ours(options.is_ours), m_writer(journal, objects, options),
      m_current_at(std::chrono::steady_clock::now()),
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
  if (!m_is_ours()) {
    m_writer.forget_place();
    m_surely_known = -1;
    const std::lock_guard lock(m_mutex);
    m_current_at = began;  // the lag is another server's to tell
    return;
  }
  const auto written = m_writer.pass();
  m_size.set(static_cast<double>(m_writer.size()));
  m_surely_known = m_writer.has_others() ? catalog::before_all_changes : m_writer.reach();
  if (!written && !m_failing)
    log::warn("the journal in the store falls behind; it is tried again", {{"error", written.error().message}});
  if (written && m_failing) log::info("the journal in the store is written again");
  m_failing = !written;
  if (!m_writer.is_current()) return;
  const std::lock_guard lock(m_mutex);
  m_current_at = began;
}

}  // namespace slipway::lifecycle
