#pragma once
// A folder that is published as it changes: the smallest way to have a site.

#include "publish/publisher.hpp"

#include <condition_variable>
#include <thread>

namespace slipway::publish {

/// Publishes a folder to a channel now, and whenever it has changed since: it is looked at every second, or less often
/// where looking takes long. What somebody else moves the channel to stays until then. What goes wrong is logged, once,
/// and tried again.
class FolderWatch {
public:
  /// The client outlives it.
  FolderWatch(std::filesystem::path folder, RegistryClient& client, std::string channel);
  /// Waits for a publication that is under way.
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;

private:
  void watch();
  void publish();

  const std::filesystem::path m_folder;
  const std::string m_channel;
  RegistryClient& m_client;
  FileCache m_cache;
  std::optional<Digest> m_published;
  std::string m_problem;  // that was logged last

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_changed;
  bool m_is_ending = false;
  std::thread m_thread;
};

}  // namespace slipway::publish
