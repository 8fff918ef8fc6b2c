#pragma once
// One connection: handshake, heads, bodies, answers. It is owned by one thread at a time — a worker that advances it,
// or a pump that ships its answer — and by none while it is parked in epoll. It never blocks on its peer.

#include "base/gate.hpp"
#include "http/buffer.hpp"
#include "http/observer.hpp"
#include "http/outgoing.hpp"
#include "http/parser.hpp"
#include "http/transport.hpp"

#include <atomic>
#include <memory>
#include <mutex>

namespace slipway::http {

/// What all connections of a server share.
struct Shared {
  Limits limits;
  Handler handler;
  Observer& observer;
  std::function<bool()> may_wait_for_disk;         ///< false while too many answers wait for cold bytes
  std::function<bool(std::string_view)> is_proxy;  ///< whose X-Forwarded-* and X-Request-Id are believed
  std::atomic<std::size_t> buffered{0};            ///< bytes of all connections' input buffers
  std::atomic<bool> draining{false};
};

class Connection {
public:
  enum class Next {
    read,   ///< park until the socket is readable
    write,  ///< park until it is writable
    ship,   ///< give it to a pump
    close,
  };

  Connection(std::unique_ptr<Transport> transport, std::string peer, Shared& shared);
  ~Connection();
  Connection(const Connection&) = delete;

  /// For the worker that owns it: goes as far as it can without waiting for the peer.
  Next advance();

  /// For the pump that owns it: ships up to `allowance` bytes more of the answer.
  Shipping ship(std::size_t allowance);
  /// After ship() said done.
  Next after_shipping();
  /// The bytes that ship() waits for cannot be had: another answer goes out, or the connection is cut.
  void lose_body(const Error& error);
  FileSlice cold_slice() const { return m_outgoing.next_slice(read_ahead_bytes); }
  /// Bytes of the answer that the peer has acknowledged: what tells a slow reader from a dead one.
  std::uint64_t bytes_acknowledged() const;

  /// From any thread while the connection exists: ends it if its deadline is over. The owner then reads an end of file.
  void expire_if_late(Steady now);
  /// The same at once, for a connection that waits between requests, or has not asked for anything in its first second:
  /// its request may be on its way. True if it was one.
  bool expire_if_idle();
  /// Cuts it off in both directions, whatever it is doing.
  void cut();

  int fd() const { return m_transport->fd(); }
  const std::string& peer() const { return m_peer; }

  // Hand-over between threads. Epoll orders them, but neither the memory model nor TSan knows of it; a mutex that is
  // never waited for says so: the last thing one owner does is `arm`, the first thing the next does is take().
  template <typename Arm>
  void hand_over(Arm arm) {
    const std::lock_guard lock(m_handover);
    arm();
  }
  void take() { const std::lock_guard lock(m_handover); }

private:
  enum class Phase { handshake, head, body, answer, lingering };
  using Step = std::optional<Next>;  // nothing: the phase changed, go on

  Step step_handshake();
  Step step_head();
  Step await_request();
  Step step_body();
  Step step_answer();
  Step step_lingering();

  Step begin_request();
  void describe_request(Request& request) const;
  Answer ask_handler(Request& request);
  Step expect_continue();
  Step pass_body_on();
  Step refuse(Refusal refusal);
  Step answer(Response response);
  Step answer_tls_on_plain_port();
  Step end_exchange(bool complete);
  Step begin_lingering();

  /// Reads up to `size_max` bytes into the buffer, which grows where it has less than `room_min` left.
  IoState fill(std::size_t room_min, std::size_t size_max);
  Step park(Next next, std::chrono::milliseconds time_allowed);
  Next resume_soon();
  Step park_for_body();
  void report(bool complete);

  std::unique_ptr<Transport> m_transport;
  const std::string m_peer;
  Shared& m_shared;
  Buffer m_in;
  Phase m_phase = Phase::handshake;

  // The exchange under way; empty between requests.
  std::unique_ptr<MessageParser> m_parser;
  std::unique_ptr<BodySink> m_sink;
  Outgoing m_outgoing;
  Steady m_since;  // first byte of the head, or its end once it is complete
  int m_status = 0;
  std::uint64_t m_bytes_in = 0;
  bool m_head_complete = false;
  bool m_close_after = false;
  Steady m_window_start;  // of the minimum rate for a body
  std::uint64_t m_window_bytes = 0;
  std::uint64_t m_total_sent = 0;

  std::atomic<std::int64_t> m_deadline;  // steady nanoseconds; no_deadline while owned
  std::atomic<bool> m_expired{false};
  const Steady m_accepted;
  std::atomic<bool> m_has_asked{false};
  std::atomic<bool> m_idle{true};  // no request has begun
  std::mutex m_handover;
};

}  // namespace slipway::http
