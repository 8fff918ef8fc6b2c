#include "opam/sources.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace slipway::opam {
namespace {

constexpr std::size_t asked_at_once = 1000;
constexpr std::size_t failing_max = 1000;
constexpr std::size_t urls_max = 20;  // of one source

/// Each once, by its key. Whoever has the wrong address for the right checksum has others that do better.
std::map<std::string, Source> merge(const std::vector<Source>& sources) {
  std::map<std::string, Source> out;
  for (const auto& source : sources) {
    if (!source.is_cacheable()) continue;
    const auto [known, is_new] = out.try_emplace(key_of(source), source);
    if (is_new) continue;
    auto& urls = known->second.urls;
    for (const auto& url : source.urls)
      if (urls.size() < urls_max && std::ranges::find(urls, url) == urls.end()) urls.push_back(url);
  }
  return out;
}

}  // namespace

std::string key_of(const Source& source) {
  std::string out;
  for (const auto& checksum : source.checksums) out += (out.empty() ? "" : " ") + checksum.text();
  return out;
}

Sources::Sources(SourceStore store, SourcesOptions options)
    : m_store(std::move(store)), m_options([&] {
        options.download.is_stopped = [this] { return m_is_ending.load(); };
        return std::move(options);
      }()),
      m_connections(m_options.fetches_max), m_hosts(m_options.first_rest, m_options.longest_rest) {
  for (unsigned i = 0; i < m_options.fetches_max; ++i) m_threads.emplace_back([this] { work(); });
}

Sources::~Sources() {
  {
    const std::lock_guard lock(m_mutex);
    m_is_ending = true;
  }
  m_changed.notify_all();
  m_threads.clear();
}

void Sources::remember(std::vector<SourceState> failing) {
  const std::lock_guard lock(m_mutex);
  m_remembered.clear();
  for (auto& state : failing) {
    auto key = state.key();
    const auto due = Clock::now() + std::min(state.next_in, m_options.longest_pause);
    m_remembered.emplace(std::move(key), Missing{.state = std::move(state), .hosts = {}, .due = due});
  }
}

Result<> Sources::want(const std::vector<Source>& sources) {
  const auto wanted = merge(sources);
  std::vector<std::string> names;
  for (const auto& [key, source] : wanted)
    for (const auto& checksum : source.checksums) names.push_back(checksum.text());
  std::set<std::string> pinned;
  const auto& repository = m_store.client.address().repository;
  for (std::size_t at = 0; at < names.size(); at += asked_at_once) {
    const auto some = std::span(names).subspan(at, std::min(asked_at_once, names.size() - at));
    TRY_ASSIGN(auto found, m_store.catalog.pinned(repository, some));
    pinned.merge(found);
  }
  const auto has = [&pinned](const Checksum& checksum) { return pinned.contains(checksum.text()); };
  const auto is_kept = [&](const Source& source) { return std::ranges::all_of(source.checksums, has); };
  {
    const std::lock_guard lock(m_mutex);
    m_wanted = wanted.size();
    ++m_round;
    for (auto& [key, missing] : m_missing) missing.is_wanted = wanted.contains(key) && !is_kept(missing.state.source);
    std::erase_if(m_missing, [](const auto& entry) { return !entry.second.is_wanted && !entry.second.is_busy; });
    for (const auto& [key, source] : wanted)
      if (!is_kept(source) && !m_missing.contains(key)) m_missing.emplace(key, first_state(key, source));
    for (auto& [key, missing] : m_missing)  // it is here, and has to be given its other names only
      if (std::ranges::any_of(missing.state.source.checksums, has)) missing.due = Clock::now();
    m_remembered.clear();
  }
  m_changed.notify_all();
  return {};
}

/// Of one that was not missed before. Where it is said to be elsewhere now, that is a first try.
Sources::Missing Sources::first_state(const std::string& key, const Source& source) const {
  Missing out{.state = {.source = source, .problem = {}}, .hosts = {}, .round = m_round, .due = Clock::now()};
  for (const auto& url : source.urls) out.hosts.push_back(host_of(url));
  const auto known = m_remembered.find(key);
  if (known == m_remembered.end() || known->second.state.source.urls != source.urls) return out;
  out.state.failures = known->second.state.failures;
  out.state.problem = known->second.state.problem;
  out.due = known->second.due;
  return out;
}

bool Sources::wait_for_first_tries(std::chrono::milliseconds patience) {
  std::unique_lock lock(m_mutex);
  return m_changed.wait_for(lock, patience, [this] {
    return m_is_ending ||
           std::ranges::none_of(m_missing, [](const auto& entry) { return entry.second.state.failures == 0; });
  });
}

SourcesStatus Sources::status() {
  const std::lock_guard lock(m_mutex);
  SourcesStatus out{.wanted = m_wanted, .missing = m_missing.size(), .failing = {}};
  const auto now = Clock::now();
  for (const auto& [key, missing] : m_missing) {
    if (missing.state.failures == 0 || out.failing.size() == failing_max) continue;
    out.failing.push_back(missing.state);
    if (missing.due > now)
      out.failing.back().next_in = std::chrono::duration_cast<std::chrono::milliseconds>(missing.due - now);
  }
  return out;
}

// ---- fetching

void Sources::work() {
  std::unique_lock lock(m_mutex);
  while (!m_is_ending) {
    std::optional<Clock::time_point> wake_at;
    const auto next = next_due(Clock::now(), wake_at);
    if (next == m_missing.end()) {
      if (wake_at)
        m_changed.wait_until(lock, *wake_at);
      else
        m_changed.wait(lock);
      continue;
    }
    next->second.is_busy = true;
    ++m_busy_hosts[next->second.hosts[0]];
    const auto key = next->first;
    const auto source = next->second.state.source;
    lock.unlock();
    const auto outcome = fetch_source(source, m_connections, m_hosts, m_store, m_options.download);
    lock.lock();
    finish(key, outcome);
    m_changed.notify_all();
  }
}

/// The one that was wanted last, and of those the one that has waited longest, whose host has room; else when to look
/// again, unless something changes.
Sources::Queue::iterator Sources::next_due(Clock::time_point now, std::optional<Clock::time_point>& wake_at) {
  auto out = m_missing.end();
  const auto comes_first = [&out, this](const Missing& missing) {
    if (out == m_missing.end()) return true;
    const auto& other = out->second;
    return missing.round != other.round ? missing.round > other.round : missing.due < other.due;
  };
  const auto has_room = [this](const Missing& missing) {
    const auto busy = m_busy_hosts.find(missing.hosts[0]);
    return busy == m_busy_hosts.end() || busy->second < m_options.host_fetches_max;
  };
  for (auto each = m_missing.begin(); each != m_missing.end(); ++each) {
    auto& missing = each->second;
    if (missing.is_busy) continue;
    if (missing.due <= now && comes_first(missing) && has_room(missing) && !postpone(missing)) out = each;
    if (missing.due > now) wake_at = std::min(wake_at.value_or(missing.due), missing.due);
  }
  return out;
}

/// Whether all its hosts are being left alone: then until the first of them is not any more.
bool Sources::postpone(Missing& missing) {
  std::optional<Hosts::Rest> shortest;
  for (const auto& host : missing.hosts) {
    auto rest = m_hosts.rest_of(host);
    if (!rest) return false;
    if (!shortest || rest->end < shortest->end) shortest = std::move(rest);
  }
  missing.due = shortest->end;
  if (missing.state.failures == 0) {
    missing.state.failures = 1;
    missing.state.problem = shortest->problem;
    m_changed.notify_all();
  }
  return true;
}

void Sources::finish(const std::string& key, const Result<KeptSource>& outcome) {
  const auto found = m_missing.find(key);
  auto& missing = found->second;
  if (--m_busy_hosts[missing.hosts[0]] == 0) m_busy_hosts.erase(missing.hosts[0]);
  missing.is_busy = false;
  const auto& repository = m_store.client.address().repository;
  if (outcome) {
    const auto& url = outcome->url.empty() ? missing.state.source.urls[0] : outcome->url;
    log::info("source kept", {{"repository", repository}, {"url", url}, {"bytes", outcome->size}});
    for (const auto& checksum : outcome->taken)
      log::warn("another source has this checksum already, and is what it answers",
                {{"repository", repository}, {"checksum", checksum.text()}, {"url", url}});
  }
  if (outcome || !missing.is_wanted || m_is_ending) {
    m_missing.erase(found);
    return;
  }
  const auto doublings = std::min(missing.state.failures, 20U);
  ++missing.state.failures;
  missing.due = Clock::now() + std::min(m_options.first_pause * (1U << doublings), m_options.longest_pause);
  if (missing.state.problem != outcome.error().message)
    log::warn("a source cannot be had", {{"repository", repository}, {"problem", outcome.error().message}});
  missing.state.problem = outcome.error().message;
}

}  // namespace slipway::opam
