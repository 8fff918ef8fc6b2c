#pragma once
// Ships answers that a worker could not finish at once: one thread, its own epoll, non-blocking sendfile. Five hundred
// slow readers cost it five hundred small structs and no worker at all.

#include "base/wake.hpp"
#include "http/connection.hpp"
#include "http/read_ahead.hpp"

#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace slipway::http {

class Pump {
public:
  /// `settle` takes a connection back, with what it needs next. All three outlive the pump.
  Pump(const Limits& limits, ReadAhead& read_ahead, std::function<void(Connection&, Connection::Next)> settle);
  /// stop() must have been called.
  ~Pump() = default;

  /// Hands over a connection whose answer is under way. From any thread.
  void take(Connection& connection) { take(connection, {}); }
  /// Ends the thread; connections it still holds are left as they are, unregistered.
  void stop();
  std::size_t connections() const { return m_count.load(std::memory_order_relaxed); }

private:
  /// Since when how much has been acknowledged, to tell who reads too slowly.
  struct Progress {
    Steady since;
    std::uint64_t acknowledged = 0;
    bool waits = false;  ///< for bytes to send: it is us who are slow, and another thread may look at the connection
  };
  struct Arrival {
    Connection* connection = nullptr;
    Result<> bytes;  ///< what it waited for is there
  };

  void take(Connection& connection, Result<> bytes);
  void run();
  void accept_inbox();
  void ship(Connection& connection);
  void hand_back(Connection& connection, Connection::Next next);
  void drop_slow_readers();

  const Limits& m_limits;
  ReadAhead& m_read_ahead;
  const std::function<void(Connection&, Connection::Next)> m_settle;
  Fd m_epoll;
  Wake m_wake;
  std::unordered_map<Connection*, Progress> m_progress;  // the pump thread's alone
  std::atomic<std::size_t> m_count{0};
  std::atomic<bool> m_stopping{false};
  std::mutex m_mutex;  // guards the inbox
  std::vector<Arrival> m_inbox;
  std::thread m_thread;
};

}  // namespace slipway::http
