#pragma once
// All sources that a repository's packages name: those it has not are fetched, a few at a time and fewer from one host,
// and tried again later and later where that fails. A host that is down delays its own sources only, and what was
// wanted last comes first: a merge does not wait for the thousands that a new server has to fetch.

#include "opam/source_fetch.hpp"

#include <condition_variable>
#include <map>
#include <thread>

namespace slipway::opam {

struct SourcesOptions {
  unsigned fetches_max = 8;  ///< at a time
  unsigned host_fetches_max = 2;
  std::chrono::milliseconds first_pause{60'000};  ///< before a source is tried again; twice that the next time, …
  std::chrono::milliseconds longest_pause{6 * 3'600'000};
  std::chrono::milliseconds first_rest{1000};  ///< of a host that does not answer; twice that the next time, …
  std::chrono::milliseconds longest_rest{5 * 60'000};
  upstream::DownloadOptions download = {};
};

/// What a source is called: the same archive is listed by many packages, and those that list the same checksums mean
/// one.
std::string key_of(const Source& source);

/// What became of one.
struct SourceState {

  Source source;
  unsigned failures = 0;
  std::string problem;                  ///< of the last try; empty before the first
  std::chrono::milliseconds next_in{};  ///< until it is tried again; 0: it is due, or being fetched

  std::string key() const { return key_of(source); }
};

struct SourcesStatus {
  std::size_t wanted = 0;            ///< that a cache can have
  std::size_t missing = 0;           ///< of those
  std::vector<SourceState> failing;  ///< those of the missing that were tried, at most 1,000
};

/// Safe to call from any thread.
class Sources {
public:
  /// What the store consists of outlives it.
  Sources(SourceStore store, SourcesOptions options);
  /// Ends what is being fetched.
  ~Sources();
  Sources(const Sources&) = delete;

  /// What became of some by another server, or before this one was started: none is tried sooner for it.
  void remember(std::vector<SourceState> failing);
  /// From now on these are wanted, and no others. What is known of earlier tries stays.
  Result<> want(const std::vector<Source>& sources);
  /// Waits until none of them is missing that was not tried, at most so long; whether that came.
  bool wait_for_first_tries(std::chrono::milliseconds patience);
  SourcesStatus status();

private:
  using Clock = std::chrono::steady_clock;
  struct Missing {
    SourceState state;
    std::vector<std::string> hosts;  // of its addresses, in their order
    std::uint64_t round = 0;         // in which it was first wanted
    Clock::time_point due;
    bool is_busy = false;
    bool is_wanted = true;
  };
  using Queue = std::map<std::string, Missing>;  // by all checksums

  Missing first_state(const std::string& key, const Source& source) const;
  void work();
  Queue::iterator next_due(Clock::time_point now, std::optional<Clock::time_point>& wake_at);
  bool postpone(Missing& missing);
  void finish(const std::string& key, const Result<KeptSource>& outcome);

  const SourceStore m_store;
  const SourcesOptions m_options;
  http::Client m_connections;
  Hosts m_hosts;
  std::atomic<bool> m_is_ending{false};

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_changed;
  std::size_t m_wanted = 0;
  std::uint64_t m_round = 0;
  Queue m_missing;
  std::map<std::string, Missing> m_remembered;
  std::map<std::string, unsigned> m_busy_hosts;
  std::vector<std::jthread> m_threads;  // the last: they use the others
};

}  // namespace slipway::opam
