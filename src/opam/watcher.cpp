#include "opam/watcher.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

namespace slipway::opam {

Watcher::Watcher(WatcherOptions options, http::Asking registry)
    : m_options(std::move(options)),
      m_client(
          [this, ask = std::move(registry)](const http::ClientRequest& request) -> Result<http::ClientResponse> {
            if (m_is_ending) return fail(Failure::conflict, "the server stops");
            return ask(request);
          },
          {.url = "this server", .repository = m_options.place.repository, .authorization = {}, .ca_file = {}}),
      m_thread([this] { watch(); }) {}

void Watcher::stop() {
  {
    const std::lock_guard lock(m_mutex);
    m_is_ending = true;
  }
  m_stop.ring();
  m_changed.notify_all();
  if (m_thread.joinable()) m_thread.join();
}

void Watcher::look() {
  {
    const std::lock_guard lock(m_mutex);
    ++m_asked;
  }
  m_changed.notify_all();
}

Result<Look> Watcher::look_and_wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(m_mutex);
  const auto ours = ++m_asked;
  m_changed.notify_all();
  const bool came = m_changed.wait_for(lock, patience, [&] { return m_is_ending || m_done >= ours; });
  if (m_is_ending) return fail(Failure::unavailable, "the server stops");
  if (!came)
    return fail(Failure::unavailable,
                fmt::format("'{}' is still being looked at; its status tells what that comes to", repository()));
  return m_last;
}

void Watcher::watch() {
  for (std::unique_lock lock(m_mutex); !m_is_ending;) {
    const auto asked = m_asked;
    const bool is_asked = asked > m_done;
    lock.unlock();
    Look look;
    const bool is_ours = is_asked || m_options.is_ours();
    const auto done = is_ours ? pass(look) : Result<>();
    if (!done) look.problem = done.error().message;
    if (is_ours && !m_is_ending) m_options.told(look);
    lock.lock();
    if (m_is_ending) return;
    if (!look.problem.empty() && look.problem != m_problem)
      log::warn("an opam repository is not brought up to date; what is published stays",
                {{"repository", m_options.place.repository}, {"error", look.problem}});
    m_problem = look.problem;
    m_last = std::move(look);
    m_done = asked;
    m_changed.notify_all();
    m_changed.wait_for(lock, m_options.interval, [this] { return m_is_ending || m_asked > m_done; });
  }
}

Result<> Watcher::pass(Look& look) {
  if (!m_clone) {
    std::error_code error;
    std::filesystem::create_directories(m_options.directory.parent_path(), error);
    TRY_ASSIGN(auto clone, upstream::GitClone::open(m_options.directory.string(), m_options.place.source, m_stop.fd()));
    m_clone.emplace(std::move(clone));
  }
  TRY_ASSIGN(look.head, m_clone->remote_head());
  if (look.head == m_seen) return {};
  TRY_ASSIGN(const auto withdrawn, m_options.withdrawn());
  look.is_withdrawn = look.head == withdrawn;
  if (!look.is_withdrawn) {
    TRY_ASSIGN(look.report, sync(*m_clone, m_client,
                                 {.channel = m_options.place.channel,
                                  .source = upstream::without_password(m_options.place.source.url),
                                  .on_ready = m_options.on_ready}));
    tell(*look.report);
  }
  if (!look.is_withdrawn || !m_is_told) TRY(m_options.on_published());
  m_is_told = true;
  if (look.report) m_seen = look.report->commit;
  return {};
}

void Watcher::tell(const SyncReport& report) {
  for (const auto& [path, problem] : report.findings)
    log::warn("not published as it is",
              {{"repository", m_options.place.repository}, {"path", path}, {"problem", problem}});
  log::info(report.moved ? "opam repository published" : "opam repository is up to date",
            {{"repository", m_options.place.repository},
             {"commit", report.commit},
             {"snapshot", report.snapshot.text()},
             {"changes", report.changes},
             {"fetching_ms", report.fetching.count()},
             {"reading_ms", report.reading.count()},
             {"publishing_ms", report.publishing.count()}});
}

}  // namespace slipway::opam
