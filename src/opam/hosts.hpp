#pragma once
// Hosts that do not answer or want to be left alone: they are, for a while, and longer each time they are asked in
// vain. So thousands of sources of one of them cost a few requests, and no thread that others wait for.

#include "base/result.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>

namespace slipway::opam {

/// The host and port of an address of http; empty where it is none.
std::string host_of(const std::string& url);

/// Safe to call from any thread.
class Hosts {
public:
  using Clock = std::chrono::steady_clock;
  struct Rest {
    Clock::time_point end;
    std::string problem;  ///< why
  };

  Hosts(std::chrono::milliseconds first_rest, std::chrono::milliseconds longest_rest);

  /// Why and until when it is to be left alone; nothing where it may be asked.
  std::optional<Rest> rest_of(const std::string& host) const;
  /// What a request to it came to. Whatever it answers but busy and unavailable ends its rests.
  void told(const std::string& host, const Result<>& outcome);

private:
  struct Trouble {
    unsigned failures = 0;
    Rest rest;
  };

  const std::chrono::milliseconds m_first_rest, m_longest_rest;
  mutable std::mutex m_mutex;
  std::map<std::string, Trouble> m_troubles;  // of as many hosts as sources name, at most
};

}  // namespace slipway::opam
