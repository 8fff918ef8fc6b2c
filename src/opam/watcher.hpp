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

/// What a look at a git repository came to.
struct Look {
  std::string head;                  ///< the commit that the branch is at; empty where git did not tell
  std::optional<SyncReport> report;  ///< of the pass that followed; nothing where the commit was known already
  bool is_withdrawn = false;         ///< somebody rolled the channel back from that commit: it is not published again
  std::string problem;               ///< why the channel is not as the branch is; empty: it is, or is_withdrawn
};

struct WatcherOptions {
  SourcePlace place;
  std::chrono::milliseconds interval{15'000};
  std::filesystem::path directory;  ///< for the clone; made if it is new
  /// Others may do it for all; asked before each look.
  std::function<bool()> is_ours = [] { return true; };
  /// The commit that somebody rolled the channel back from, if that was its last move: it is not published again, only
  /// one that comes after it.
  std::function<Result<std::string>()> withdrawn = [] { return std::string(); };
  /// As SyncOptions has it.
  OnReady on_ready = [](const SyncReport&, const publish::Snapshot&) -> Result<> { return {}; };
  /// Called once at first, and whenever the channel was moved; again, where it fails.
  std::function<Result<>()> on_published = []() -> Result<> { return {}; };
  /// Called after each look, on the watching thread.
  std::function<void(const Look&)> told = [](const Look&) {};
};

/// What goes wrong is logged, once, and tried again; what is published stays meanwhile.
class Watcher {
public:
  Watcher(WatcherOptions options, http::Asking registry);
  ~Watcher() { stop(); }
  Watcher(const Watcher&) = delete;

  /// Ends what is under way: the channel stays where it is, or has moved.
  void stop();
  const std::string& repository() const { return m_options.place.repository; }
  /// Looks at once, whoever else does it for all. However many ask while a look is under way, one more follows.
  void look();
  /// The same, and waits for what that comes to; unavailable where it takes longer, or the server stops.
  Result<Look> look_and_wait(std::chrono::milliseconds patience);

private:
  void watch();
  Result<> pass(Look& look);
  void tell(const SyncReport& report);

  const WatcherOptions m_options;
  Wake m_stop;  // rung once
  publish::RegistryClient m_client;
  std::optional<upstream::GitClone> m_clone;
  std::string m_seen;      // the commit that was published, or looked at, last
  bool m_is_told = false;  // on_published() was called
  std::string m_problem;   // that was logged last

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_changed;
  std::atomic<bool> m_is_ending{false};  // read without
  std::uint64_t m_asked = 0;             // looks that were asked for, of which the first so many …
  std::uint64_t m_done = 0;              // … are over
  Look m_last;
  std::thread m_thread;  // the last: it uses the others
};

}  // namespace slipway::opam
