#pragma once
// Keeps an opam repository as its git repository is: asks every so often where the branch is, and publishes what came.

#include "base/wake.hpp"
#include "opam/source_place.hpp"
#include "opam/sync.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace slipway::opam {

struct WatcherOptions {
  SourcePlace place;
  std::chrono::milliseconds interval{15'000};
  std::filesystem::path directory;  ///< for the clone; made if it is new
  /// Others may do it for all; asked before each look.
  std::function<bool()> is_ours = [] { return true; };
  /// The commit that somebody rolled the channel back from, if that was its last move: it is not published again, only
  /// one that comes after it.
  std::function<Result<std::string>()> withdrawn = [] { return std::string(); };
  /// Called with what the channel has, once at first and whenever that was published; again, where it fails.
  std::function<Result<>(const Digest& snapshot)> on_published = [](const Digest&) -> Result<> { return {}; };
};

/// What goes wrong is logged, once, and tried again; what is published stays meanwhile.
class Watcher {
public:
  Watcher(WatcherOptions options, http::Asking registry);
  /// Ends what is under way: the channel stays where it is, or has moved.
  ~Watcher();
  Watcher(const Watcher&) = delete;

  const std::string& repository() const { return m_options.place.repository; }
  /// Looks at once. However many ask while a pass is under way, one more follows.
  void look();

private:
  void watch();
  Result<> pass();
  void tell(const SyncReport& report);

  const WatcherOptions m_options;
  Wake m_stop;  // rung once
  publish::RegistryClient m_client;
  std::optional<upstream::GitClone> m_clone;
  std::string m_seen;     // the commit that was published, or looked at, last
  std::string m_problem;  // that was logged last

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_changed;
  std::atomic<bool> m_is_ending{false};  // read without
  bool m_is_asked = false;
  std::thread m_thread;  // the last: it uses the others
};

}  // namespace slipway::opam
