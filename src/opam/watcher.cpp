#include "opam/watcher.hpp"

#include "base/log.hpp"

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

Watcher::~Watcher() {
  {
    const std::lock_guard lock(m_mutex);
    m_is_ending = true;
  }
  m_stop.ring();
  m_changed.notify_all();
  m_thread.join();
}

void Watcher::look() {
  {
    const std::lock_guard lock(m_mutex);
    m_is_asked = true;
  }
  m_changed.notify_all();
}

void Watcher::watch() {
  for (std::unique_lock lock(m_mutex); !m_is_ending;) {
    m_is_asked = false;
    lock.unlock();
    const auto done = m_options.is_ours() ? pass() : Result<>();
    lock.lock();
    if (m_is_ending) return;
    const auto problem = done ? std::string() : done.error().message;
    if (!problem.empty() && problem != m_problem)
      log::warn("an opam repository is not brought up to date; what is published stays",
                {{"repository", m_options.place.repository}, {"error", problem}});
    m_problem = problem;
    m_changed.wait_for(lock, m_options.interval, [this] { return m_is_ending || m_is_asked; });
  }
}

Result<> Watcher::pass() {
  if (!m_clone) {
    std::error_code error;
    std::filesystem::create_directories(m_options.directory.parent_path(), error);
    TRY_ASSIGN(auto clone, upstream::GitClone::open(m_options.directory.string(), m_options.place.source, m_stop.fd()));
    m_clone.emplace(std::move(clone));
  }
  TRY_ASSIGN(const auto head, m_clone->remote_head());
  if (head == m_seen) return {};
  TRY_ASSIGN(const auto withdrawn, m_options.withdrawn());
  if (head == withdrawn) return {};
  TRY_ASSIGN(const auto report,
             sync(*m_clone, m_client, {.channel = m_options.place.channel, .source = m_options.place.source.url}));
  tell(report);
  TRY(m_options.on_published(report.snapshot));
  m_seen = report.commit;
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
