#include "http/server.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace slipway::http {
namespace {

constexpr int door_tick_ms = 250;
constexpr std::chrono::seconds certificate_check_interval{2};

/// How much of an answer the kernel may hold unsent for one peer. Without a bound each slow reader costs megabytes of
/// the machine's TCP memory, and some hundreds of them throttle everybody.
constexpr int unsent_bytes_max = 512 << 10;

void tune(const Fd& socket) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes_max, sizeof unsent_bytes_max);
}

}  // namespace

Server::Server(ServerOptions options, Handler handler, Metrics& metrics)
    : m_options(std::move(options)), m_observer(metrics, m_options.log_requests),
      m_shared{.limits = m_options.limits,
               .handler = std::move(handler),
               .observer = m_observer,
               .may_wait_for_disk = [this] { return !m_read_ahead->is_full(); },
               .is_proxy = [this](std::string_view address) { return is_proxy(address); }},
      m_epoll(::epoll_create1(EPOLL_CLOEXEC)),
      m_refused(metrics.counter("slipway_http_connections_refused_total", "Connections over a limit, answered 503")) {}

Metrics::Collector Server::publish_gauges(Metrics& metrics) {
  auto& connections = metrics.gauge("slipway_http_connections", "Open connections");
  auto& busy = metrics.gauge("slipway_http_workers_busy", "Workers running a request");
  auto& shipping = metrics.gauge("slipway_http_shipping", "Answers that pumps are shipping");
  auto& waiting = metrics.gauge("slipway_http_cold_reads", "Answers waiting for the disk");
  auto& buffered = metrics.gauge("slipway_http_buffered_bytes", "Memory of connections' input buffers");
  metrics.gauge("slipway_http_workers", "Workers in all").set(static_cast<double>(m_options.workers));
  return metrics.before_exposition([this, &connections, &busy, &shipping, &waiting, &buffered] {
    std::size_t in_pumps = 0;
    for (const auto& pump : m_pumps) in_pumps += pump->connections();
    connections.set(static_cast<double>(open_connections()));
    busy.set(static_cast<double>(m_busy_workers.load()));
    shipping.set(static_cast<double>(in_pumps));
    waiting.set(static_cast<double>(m_read_ahead->waiting()));
    buffered.set(static_cast<double>(m_shared.buffered.load()));
  });
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler handler, Metrics& metrics) {
  const auto cores = std::max<std::size_t>(1, std::thread::hardware_concurrency());
  if (options.workers == 0) options.workers = 4 * cores;
  if (options.pumps == 0) options.pumps = cores;
  std::unique_ptr<Server> server(new Server(std::move(options), std::move(handler), metrics));
  auto& self = *server;
  if (!self.m_options.tls_certificate.empty()) {
    TRY_ASSIGN(self.m_tls, TlsContext::load(self.m_options.tls_certificate, self.m_options.tls_key));
  }
  TRY(self.open_listeners());
  if (self.m_options.on_listening) self.m_options.on_listening(self.m_urls);

  epoll_event stop{};
  stop.events = EPOLLIN;  // level-triggered and never read: it stops every worker
  ::epoll_ctl(self.m_epoll.get(), EPOLL_CTL_ADD, self.m_stop_workers.fd(), &stop);
  self.m_read_ahead = std::make_unique<ReadAhead>(self.m_options.readers, self.m_options.limits.cold_reads);
  for (std::size_t i = 0; i < self.m_options.pumps; ++i)
    self.m_pumps.push_back(std::make_unique<Pump>(
        self.m_options.limits, *self.m_read_ahead,
        [&self](Connection& connection, Connection::Next next) { self.settle(connection, next); }));
  for (std::size_t i = 0; i < self.m_options.workers; ++i) self.m_workers.emplace_back([&self] { self.run_worker(); });
  self.m_collector = self.publish_gauges(metrics);
  self.m_door = std::thread([&self] { self.run_door(); });
  return server;
}

Result<> Server::open_listeners() {
  for (const auto& address : m_options.listen) {
    const bool tls = address.tls.value_or(m_tls && address.unix_path.empty());
    if (tls && !m_tls)
      return fail(Failure::invalid,
                  "a listen address says https:// but no certificate is configured (tls.certificate, tls.key)");
    TRY_ASSIGN(auto socket, listen_on(address));
    m_urls.push_back(url_of(address, socket.get(), tls));
    m_listening.push_back({std::move(socket), tls, address.unix_path});
  }
  return {};
}

// ---- the door

void Server::run_door() {
  std::vector<pollfd> waiting{{m_stop_door.fd(), POLLIN, 0}};
  for (const auto& listening : m_listening) waiting.push_back({listening.socket.get(), POLLIN, 0});
  auto swept = std::chrono::steady_clock::now();
  auto checked = swept;
  for (;;) {
    ::poll(waiting.data(), waiting.size(), door_tick_ms);
    if (waiting[0].revents) return;
    for (std::size_t i = 1; i < waiting.size(); ++i)
      if (waiting[i].revents) accept_from(m_listening[i - 1]);
    const auto now = std::chrono::steady_clock::now();
    if (now - swept >= std::chrono::milliseconds(door_tick_ms)) {
      sweep();
      swept = now;
    }
    if (m_tls && now - checked >= certificate_check_interval) {
      reload_certificate();
      checked = now;
    }
  }
}

/// True where more may be waiting: other listeners and the sweep have their turn first.
bool Server::accept_from(const Listening& listening) {
  for (int i = 0; i < 256; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Fd socket(
        ::accept4(listening.socket.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        log::error("cannot accept a connection", {{"error", errno_error(errno, "accept").message}});
        ::usleep(50'000);  // the backlog keeps them; spinning would help nobody
      }
      return false;
    }
    if (peer.ss_family != AF_UNIX) tune(socket);
    admit(std::move(socket), peer_of(reinterpret_cast<const sockaddr&>(peer)), listening.tls);
  }
  return true;
}

void Server::admit(Fd socket, std::string peer, bool tls) {
  const bool exempt = peer == "unix" || is_proxy(peer);
  const auto& limits = m_options.limits;
  const std::lock_guard lock(m_mutex);
  const auto from_client = m_per_client.find(peer);
  const bool too_many =
      m_connections.size() >= limits.connections ||
      (!exempt && from_client != m_per_client.end() && from_client->second >= limits.connections_per_client);
  if (too_many) {
    m_refused.add();
    constexpr std::string_view busy =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!tls) static_cast<void>(::send(socket.get(), busy.data(), busy.size(), MSG_NOSIGNAL));
    return;
  }
  ++m_per_client[peer];
  auto transport = tls ? m_tls->accept(std::move(socket)) : plain_transport(std::move(socket));
  auto connection = std::make_unique<Connection>(std::move(transport), std::move(peer), m_shared);
  auto& parked = *connection;
  m_connections.emplace(&parked, std::move(connection));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
  event.data.ptr = &parked;
  parked.hand_over([&] { ::epoll_ctl(m_epoll.get(), EPOLL_CTL_ADD, parked.fd(), &event); });
}

void Server::sweep() {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(m_mutex);
  for (const auto& [connection, owner] : m_connections) connection->expire_if_late(now);
}

void Server::reload_certificate() {
  const auto fresh = m_tls->reload_if_changed();
  if (!fresh)
    log::error("the new certificate cannot be used; the old one stays", {{"error", fresh.error().message}});
  else if (*fresh)
    log::info("certificate reloaded", {{"certificate", m_options.tls_certificate.string()}});
}

// ---- the workers

void Server::run_worker() {
  for (;;) {
    epoll_event event{};
    if (::epoll_wait(m_epoll.get(), &event, 1, -1) != 1) continue;  // EINTR
    if (!event.data.ptr) return;
    auto& connection = *static_cast<Connection*>(event.data.ptr);
    connection.take();
    m_busy_workers.fetch_add(1, std::memory_order_relaxed);
    const auto next = connection.advance();
    m_busy_workers.fetch_sub(1, std::memory_order_relaxed);
    settle(connection, next);
  }
}

void Server::settle(Connection& connection, Connection::Next next) {
  switch (next) {
  case Connection::Next::read: return park(connection, EPOLLIN | EPOLLRDHUP);
  case Connection::Next::write: return park(connection, EPOLLOUT | EPOLLRDHUP);
  case Connection::Next::ship:
    return m_pumps[static_cast<std::size_t>(connection.fd()) % m_pumps.size()]->take(connection);
  case Connection::Next::close: return close(connection);
  }
}

void Server::park(Connection& connection, std::uint32_t events) {
  epoll_event event{};
  event.events = events | EPOLLONESHOT;
  event.data.ptr = &connection;
  connection.hand_over([&] { ::epoll_ctl(m_epoll.get(), EPOLL_CTL_MOD, connection.fd(), &event); });
  // From here on another thread may own it.
}

void Server::close(Connection& connection) {
  std::unique_ptr<Connection> gone;     // destroyed outside the lock: it may log, and abandon an upload
  const std::lock_guard lock(m_mutex);  // declared after `gone`, so released before it is destroyed
  const auto found = m_connections.find(&connection);
  gone = std::move(found->second);
  m_connections.erase(found);
  if (const auto client = m_per_client.find(gone->peer()); --client->second == 0) m_per_client.erase(client);
}

bool Server::is_proxy(std::string_view address) const {
  return std::ranges::any_of(m_options.proxies, [&](const Network& network) { return network.contains(address); });
}

std::size_t Server::open_connections() {
  const std::lock_guard lock(m_mutex);
  return m_connections.size();
}

// ---- the end

/// The kernel drops the first segment of new connections from here on: who sends it tries again a second later, and is
/// refused. A hint: without it some may be reset.
static void begin_nothing_new(const Fd& listening) {
  constexpr unsigned flags = 13, syn = 0x02;  // of the TCP header (RFC 9293, 3.1), where the filter begins to read
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, syn, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, ~0U)};
  const sock_fprog filter{.len = std::size(code), .filter = code};
  ::setsockopt(listening.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

/// Whoever has connected thinks that we are there: closing a listener resets those that nobody has accepted, and those
/// that are about to be connected.
void Server::close_doors() {
  constexpr auto handshakes = std::chrono::milliseconds(50);
  for (const auto& listening : m_listening) {
    if (listening.unix_path.empty())
      begin_nothing_new(listening.socket);
    else
      ::unlink(listening.unix_path.c_str());
  }
  std::this_thread::sleep_for(handshakes);
  for (const auto& listening : m_listening)
    while (accept_from(listening)) {
    }
  m_listening.clear();
}

void Server::drain() {
  m_shared.draining = true;
  m_stop_door.ring();
  m_door.join();
  close_doors();
  const auto until = std::chrono::steady_clock::now() + m_options.limits.drain_timeout;
  while (open_connections() > 0 && std::chrono::steady_clock::now() < until) {
    {
      const std::lock_guard lock(m_mutex);
      for (const auto& [connection, owner] : m_connections) connection->expire_if_idle();
    }
    sweep();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (const auto left = open_connections(); left > 0)
    log::warn("cutting connections that did not end in time", {{"connections", left}});
  stop_threads();
}

void Server::stop_threads() {
  {
    const std::lock_guard lock(m_mutex);
    for (const auto& [connection, owner] : m_connections) connection->cut();
  }
  m_stop_workers.ring();
  for (auto& worker : m_workers) worker.join();
  for (const auto& pump : m_pumps) pump->stop();
  m_read_ahead.reset();  // before the pumps, which its threads still call
  m_connections.clear();
  m_stopped = true;
}

Server::~Server() {
  if (m_stopped || !m_read_ahead) return;  // drained, or never started
  m_stop_door.ring();
  if (m_door.joinable()) m_door.join();
  stop_threads();
}

}  // namespace slipway::http
