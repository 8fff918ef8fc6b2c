#pragma once
// The server: who listens, who works, who ships.
//
//   door      one thread: accepts connections within the limits, ends late ones, notices new certificates
//   workers   2–4 a core, all waiting on one epoll: read what has come without blocking, and once a head is complete
//             run its handler, ordinary blocking code. An incomplete head or body goes back to epoll and holds no
//             thread.
//   pumps     one a core: ship answers that did not fit the socket at once
//   readers   bring bytes for the pumps: into memory from a cold disk, or to a file from wherever they come
//
// A connection belongs to one worker or one pump at a time, or is parked (EPOLLONESHOT).

#include "base/metrics.hpp"
#include "http/address.hpp"
#include "http/pump.hpp"
#include "http/tls.hpp"

#include <mutex>
#include <thread>
#include <unordered_map>

namespace slipway::http {

struct ServerOptions {
  std::vector<ListenAddress> listen;
  std::filesystem::path tls_certificate;  ///< PEM; both or neither
  std::filesystem::path tls_key;
  std::vector<Network> proxies;
  Limits limits;
  std::size_t workers = 0;  ///< 0: four a core
  std::size_t pumps = 0;    ///< 0: one a core
  std::size_t readers = 4;  ///< more where bytes come from other machines
  bool log_requests = true;
  /// Told the urls once all sockets listen, before any request is handled.
  std::function<void(const std::vector<std::string>&)> on_listening;
};

class Server {
public:
  /// Listens and serves when it returns. The metrics outlive the server.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler, Metrics& metrics);
  /// Stops at once if drain() was not called.
  ~Server();

  /// One for each listen address, with the real port.
  const std::vector<std::string>& urls() const { return m_urls; }

  /// Accepts no more, ends idle connections, lets running exchanges end for at most limits.drain_timeout, then cuts the
  /// rest. Call once.
  void drain();

private:
  struct Listening {
    Fd socket;
    bool tls;
    std::string unix_path;
  };

  Server(ServerOptions options, Handler handler, Metrics& metrics);
  Result<> open_listeners();
  void run_door();
  void run_worker();
  bool accept_from(const Listening& listening);
  void close_doors();
  void admit(Fd socket, std::string peer, bool tls);
  void sweep();
  void reload_certificate();
  void settle(Connection& connection, Connection::Next next);
  void park(Connection& connection, std::uint32_t events);
  void close(Connection& connection);
  bool is_proxy(std::string_view address) const;
  std::size_t open_connections();
  void stop_threads();
  Metrics::Collector publish_gauges(Metrics& metrics);

  ServerOptions m_options;
  Observer m_observer;
  Shared m_shared;
  std::unique_ptr<TlsContext> m_tls;
  std::vector<Listening> m_listening;
  std::vector<std::string> m_urls;
  Fd m_epoll;
  Wake m_stop_workers;
  Wake m_stop_door;
  std::atomic<std::size_t> m_busy_workers{0};
  Counter& m_refused;

  std::mutex m_mutex;  // guards the two maps
  std::unordered_map<Connection*, std::unique_ptr<Connection>> m_connections;
  std::unordered_map<std::string, std::size_t> m_per_client;

  std::unique_ptr<ReadAhead> m_read_ahead;
  std::vector<std::unique_ptr<Pump>> m_pumps;
  std::vector<std::thread> m_workers;
  std::thread m_door;
  bool m_stopped = false;
  Metrics::Collector m_collector;
};

}  // namespace slipway::http
