#include "publish/folder_watch.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace slipway::publish {

using Steady = std::chrono::steady_clock;

FolderWatch::FolderWatch(std::filesystem::path folder, RegistryClient& client, std::string channel)
    : m_folder(std::move(folder)), m_channel(std::move(channel)), m_client(client), m_thread([this] { watch(); }) {}

FolderWatch::~FolderWatch() {
  {
    const std::lock_guard lock(m_mutex);
    m_is_ending = true;
  }
  m_changed.notify_all();
  m_thread.join();
}

void FolderWatch::watch() {
  constexpr auto interval_min = std::chrono::seconds(1);
  constexpr int idle_share = 20;  // looking takes at most one twentieth of the time
  for (std::unique_lock lock(m_mutex); !m_is_ending;) {
    lock.unlock();
    const auto began = Steady::now();
    publish();
    const auto took = Steady::now() - began;
    lock.lock();
    m_changed.wait_for(lock, std::max<Steady::duration>(interval_min, took * idle_share),
                       [this] { return m_is_ending; });
  }
}

void FolderWatch::publish() {
  std::vector<std::string> warnings;
  const auto published = publish_folder(m_folder, m_client,
                                        {.channel = m_channel,
                                         .jobs = 4,
                                         .cache = &m_cache,
                                         .unless = m_published,
                                         .on_warning = [&](const std::string& text) { warnings.push_back(text); }});
  if (!published) {
    // What is being written to is published once it is at rest.
    if (published.error().failure != Failure::conflict && published.error().message != m_problem)
      log::warn("the folder cannot be published",
                {{"folder", m_folder.string()}, {"error", published.error().message}});
    m_problem = published.error().message;
    return;
  }
  m_problem.clear();
  if (m_published == published->digest) return;
  m_published = published->digest;
  for (const auto& warning : warnings) log::warn(warning, {{"folder", m_folder.string()}});
  log::info(published->moved ? "folder published" : "folder is published already",
            {{"folder", m_folder.string()},
             {"snapshot", published->digest.text()},
             {"files", published->files},
             {"bytes", published->bytes}});
}

}  // namespace slipway::publish
