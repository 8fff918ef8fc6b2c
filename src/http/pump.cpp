#include "http/pump.hpp"

#include <array>
#include <sys/epoll.h>

namespace slipway::http {
namespace {

constexpr std::size_t turn_bytes = 1U << 20;  // then the next connection has its turn
constexpr int sweep_ms = 1000;

epoll_event when_writable(Connection& connection) {
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLONESHOT;
  event.data.ptr = &connection;
  return event;
}

}  // namespace

Pump::Pump(const Limits& limits, ReadAhead& read_ahead, std::function<void(Connection&, Connection::Next)> settle)
    : m_limits(limits), m_read_ahead(read_ahead), m_settle(std::move(settle)), m_epoll(::epoll_create1(EPOLL_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  ::epoll_ctl(m_epoll.get(), EPOLL_CTL_ADD, m_wake.fd(), &event);
  m_thread = std::thread([this] { run(); });
}

void Pump::take(Connection& connection, Result<> bytes) {
  {
    const std::lock_guard lock(m_mutex);
    m_inbox.push_back({&connection, std::move(bytes)});
  }
  m_wake.ring();
}

void Pump::stop() {
  m_stopping = true;
  m_wake.ring();
  m_thread.join();
}

void Pump::run() {
  std::array<epoll_event, 128> events;
  auto swept = std::chrono::steady_clock::now();
  while (!m_stopping) {
    const int n = ::epoll_wait(m_epoll.get(), events.data(), static_cast<int>(events.size()), sweep_ms);
    for (int i = 0; i < n; ++i) {
      if (auto* connection = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr))
        ship(*connection);
      else
        accept_inbox();
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - swept < std::chrono::milliseconds(sweep_ms)) continue;
    drop_slow_readers();
    swept = now;
  }
}

void Pump::accept_inbox() {
  m_wake.clear();
  std::vector<Arrival> arrived;
  {
    const std::lock_guard lock(m_mutex);
    arrived.swap(m_inbox);
  }
  for (const auto& [connection, bytes] : arrived) {
    if (const auto [slot, fresh] = m_progress.try_emplace(connection, Progress{std::chrono::steady_clock::now()});
        fresh) {
      slot->second.acknowledged = connection->bytes_acknowledged();
      auto event = when_writable(*connection);
      ::epoll_ctl(m_epoll.get(), EPOLL_CTL_ADD, connection->fd(), &event);
      m_count.store(m_progress.size(), std::memory_order_relaxed);
    } else {
      slot->second = {std::chrono::steady_clock::now(), connection->bytes_acknowledged()};
      if (!bytes) connection->lose_body(bytes.error());
      ship(*connection);
    }
  }
}

void Pump::ship(Connection& connection) {
  switch (connection.ship(turn_bytes)) {
  case Shipping::done: return hand_back(connection, connection.after_shipping());
  case Shipping::broken: return hand_back(connection, Connection::Next::close);
  case Shipping::cold:
    m_progress[&connection].waits = true;
    m_read_ahead.read(connection.cold_slice(), read_ahead_window,
                      [this, &connection](Result<> bytes) { take(connection, std::move(bytes)); });
    return;
  case Shipping::more:
  case Shipping::blocked: {
    auto event = when_writable(connection);
    ::epoll_ctl(m_epoll.get(), EPOLL_CTL_MOD, connection.fd(), &event);
  }
  }
}

void Pump::hand_back(Connection& connection, Connection::Next next) {
  ::epoll_ctl(m_epoll.get(), EPOLL_CTL_DEL, connection.fd(), nullptr);
  m_progress.erase(&connection);
  m_count.store(m_progress.size(), std::memory_order_relaxed);
  m_settle(connection, next);
}

void Pump::drop_slow_readers() {
  const auto now = std::chrono::steady_clock::now();
  const auto window = std::chrono::duration<double>(m_limits.rate_window).count();
  for (auto& [connection, progress] : m_progress) {
    if (progress.waits || now - progress.since < m_limits.rate_window) continue;
    const auto acknowledged = connection->bytes_acknowledged();
    const auto moved = static_cast<double>(acknowledged - std::min(acknowledged, progress.acknowledged));
    // Cut, it becomes writable with an error, and ship() finds it broken.
    if (moved < static_cast<double>(m_limits.min_rate) * window) connection->cut();
    progress = {now, acknowledged, false};
  }
}

}  // namespace slipway::http
