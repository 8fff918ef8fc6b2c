#pragma once
// An eventfd: wakes a thread that sleeps in epoll or poll.

#include "base/fd.hpp"

namespace slipway {

class Wake {
public:
  Wake();
  int fd() const { return m_fd.get(); }
  /// From any thread. A count that is already full is as good: the sleeper has not read it yet.
  void ring() const;
  /// The sleeper's: takes all rings so far.
  void clear() const;

private:
  Fd m_fd;
};

}  // namespace slipway
