#pragma once
// The lookups that wait for a database to be asked: whoever comes when nobody asks, asks, and whoever comes meanwhile
// waits until one of those who wait asks for all of them. So under load a round trip is shared by many, and without
// load nobody waits for others. For the drivers, not for others.

#include "sql/database.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <semaphore.h>
#include <vector>

namespace slipway::sql {

/// What a thread waits for once. POSIX's, which alone may be gone as soon as the wait returns, though the one that woke
/// it is still within wake(): so it needs no lock, which whoever wakes would only wait for again.
class Turn {
public:
  Turn() { ::sem_init(&m_semaphore, 0, 0); }
  ~Turn() { ::sem_destroy(&m_semaphore); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void wait();
  /// False if it has not come by `end`; it may come later.
  bool wait_until(std::chrono::steady_clock::time_point end);
  void wake();

private:
  sem_t m_semaphore{};
  std::atomic<bool> m_has_come =
      false;  // tells the thread sanitizer, which does not know all that waits for a semaphore
};

/// Safe to call from any thread.
class LookupQueue {
public:
  struct Lookup {
    std::string_view text = {};
    std::span<const Parameter> parameters = {};
    const std::function<void(const Row&)>* each = nullptr;
    Result<> result = {};
    bool has_answer = false;  ///< for `ask` to set, along with the result

    bool leads = false;  // the queue's: it was woken to ask, and has not been asked for
    Turn turn;           // the same
  };

  struct Limits {
    std::size_t asking_max;          ///< threads that ask at a time
    std::size_t batch_max;           ///< lookups that are asked for at once
    std::chrono::milliseconds turn;  ///< how long a lookup waits until it is asked for
  };

  /// `ask` asks for all it is given at once, beginning after each of them came. Where it throws, those that it gave no
  /// answer have none.
  LookupQueue(Limits limits, std::function<void(const std::vector<Lookup*>&)> ask)
      : m_limits(limits), m_ask(std::move(ask)) {}

  /// Waits until somebody has asked, or asks for those who wait. False if nobody came to ask for it in time.
  bool look_up(Lookup& lookup);
  /// How many wait to be asked for.
  std::size_t waiting() const;

private:
  bool begin(Lookup& lookup);
  bool withdraw(const Lookup& lookup);
  void ask_for_those_who_wait(Lookup& first);
  void take_those_who_wait(std::vector<Lookup*>& together);
  Lookup* next();

  const Limits m_limits;
  const std::function<void(const std::vector<Lookup*>&)> m_ask;

  mutable std::mutex m_mutex;  // guards what follows
  std::deque<Lookup*> m_waiting;
  std::size_t m_asking = 0;
};

}  // namespace slipway::sql
