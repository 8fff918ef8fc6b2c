#include "opam/dates.hpp"

#include "base/log.hpp"
#include "opam/package.hpp"
#include "upstream/git_history.hpp"

namespace slipway::opam {

constexpr auto pause_after_failure = std::chrono::minutes(10);
constexpr std::size_t noted_at_once = 1000;

Dates::Dates(SourcePlace place, std::string directory, catalog::Catalog& catalog)
    : m_place(std::move(place)), m_directory(std::move(directory)), m_catalog(catalog), m_thread([this] { work(); }) {}

Dates::~Dates() {
  {
    const std::lock_guard lock(m_mutex);
    m_is_ending = true;
  }
  m_stop.ring();
  m_changed.notify_all();
  m_thread.join();
}

void Dates::want() {
  {
    const std::lock_guard lock(m_mutex);
    m_is_wanted = true;
  }
  m_changed.notify_all();
}

void Dates::work() {
  std::unique_lock lock(m_mutex);
  m_changed.wait(lock, [this] { return m_is_ending || m_is_wanted; });
  while (!m_is_ending) {
    lock.unlock();
    const auto done = read();
    lock.lock();
    if (done) return;
    if (!m_is_ending)
      log::warn("the history of an opam repository cannot be read: older packages have no date",
                {{"repository", m_place.repository}, {"error", done.error().message}});
    m_changed.wait_for(lock, pause_after_failure, [this] { return m_is_ending; });
  }
}

Result<> Dates::read() {
  const auto name = dates_report_name(m_place);
  TRY_ASSIGN(const auto known, m_catalog.report(name));
  if (known) return {};
  upstream::GitHistory history(m_directory, m_place.source, m_stop.fd());
  TRY_ASSIGN(const auto commit, history.fetch());
  std::map<std::string, Timestamp> times;
  TRY(history.for_each_added("", "packages", [&](std::string_view path, std::int64_t seconds) {
    // The newest comes first: what came, went and came again is as old as when it first came.
    if (const auto package = package_of_path(path)) times[package->text()] = Timestamp(std::chrono::seconds(seconds));
  }));
  for (auto next = times.begin(); next != times.end();) {
    std::map<std::string, Timestamp> some;
    for (; next != times.end() && some.size() < noted_at_once; ++next) some.insert(*next);
    TRY(m_catalog.note_first_published(m_place.repository, some));
  }
  TRY(m_catalog.put_report(name, commit));
  log::info("read when packages were first published",
            {{"repository", m_place.repository}, {"packages", times.size()}});
  return {};
}

}  // namespace slipway::opam
