#include "http/connection.hpp"

#include "base/log.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace slipway::http {
namespace {

constexpr std::int64_t no_deadline = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t body_piece_bytes = 512U << 10;     // what a body is handed on in
constexpr std::size_t inline_answer_bytes = 256U << 10;  // what a worker ships itself before a pump takes over
constexpr std::size_t turn_bytes = 4U << 20;             // a fast uploader then lets others have the worker
constexpr int turn_requests = 64;                        // the same for a pipeliner
constexpr std::size_t drained_body_bytes = 64U << 10;    // a refused body this small is read, and the connection kept
constexpr std::chrono::milliseconds linger_time{5'000};
constexpr std::uint64_t linger_bytes_max = 64U << 20;

Steady now() { return std::chrono::steady_clock::now(); }
double seconds_since(Steady start) { return std::chrono::duration<double>(now() - start).count(); }

/// Reads a body that a handler refused, then gives the refusal.
class Discarding final : public BodySink {
public:
  explicit Discarding(Response response) : m_response(std::move(response)) {}
  std::optional<Response> write(ByteView) override { return std::nullopt; }
  Response finish() override { return std::move(m_response); }

private:
  Response m_response;
};

/// A proxy's own choice of id, if it cannot hurt a log.
bool is_plain_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 &&
         std::ranges::all_of(id, [](char c) { return c > ' ' && c < 0x7f && c != '"'; });
}

}  // namespace

Connection::Connection(std::unique_ptr<Transport> transport, std::string peer, Shared& shared)
    : m_transport(std::move(transport)), m_peer(std::move(peer)), m_shared(shared), m_in(shared.buffered),
      m_since(now()), m_deadline((m_since + shared.limits.head_timeout).time_since_epoch().count()),
      m_accepted(m_since) {}

Connection::~Connection() {
  m_sink.reset();  // before the report: what it keeps of a broken upload is part of the exchange
  if (m_head_complete) report(false);
}

// ---- the worker's side

Connection::Next Connection::advance() {
  m_deadline.store(no_deadline, std::memory_order_relaxed);
  m_idle.store(false, std::memory_order_relaxed);
  for (int turns = 0;;) {
    Step step;
    switch (m_phase) {
    case Phase::handshake: step = step_handshake(); break;
    case Phase::head: step = step_head(); break;
    case Phase::body: step = step_body(); break;
    case Phase::answer: step = step_answer(); break;
    case Phase::lingering: step = step_lingering(); break;
    }
    if (step) return *step;
    if (m_phase == Phase::head && !m_in.empty() && ++turns == turn_requests) return resume_soon();
  }
}

Connection::Step Connection::step_handshake() {
  const auto state = m_transport->handshake();
  if (state == IoState::ok) {
    m_phase = Phase::head;
    return std::nullopt;
  }
  if (state == IoState::closed || m_expired) return Next::close;
  // The deadline counts from the connection's start: a handshake is not prolonged by its parts.
  m_deadline.store((m_since + m_shared.limits.head_timeout).time_since_epoch().count());
  return state == IoState::want_read ? Next::read : Next::write;
}

Connection::Step Connection::step_head() {
  if (!m_in.empty()) {
    if (!m_parser) {
      if (!m_transport->is_tls() && m_in.view()[0] == std::byte{0x16}) return answer_tls_on_plain_port();
      m_parser = std::make_unique<MessageParser>(m_shared.limits);
      m_since = now();
    }
    const auto used = m_parser->take_head(m_in.view());
    if (!used) return refuse(used.error());
    if (*used > 0) {
      m_in.consume(*used);
      return begin_request();
    }
    if (m_in.size() >= m_shared.limits.head_bytes)
      return refuse({431, "the request head is larger than this server accepts"});
  }
  switch (fill(4096, 4096)) {
  case IoState::ok: return std::nullopt;
  case IoState::closed:
    if (m_parser && m_expired) return refuse({408, "the request head took too long"});
    return Next::close;
  default: break;
  }
  if (m_parser) {
    m_deadline.store((m_since + m_shared.limits.head_timeout).time_since_epoch().count());
    return Next::read;
  }
  if (m_shared.draining && m_has_asked) return Next::close;
  return await_request();
}

Connection::Step Connection::await_request() {
  m_in.release();
  m_idle.store(true);
  return park(Next::read, m_shared.limits.idle_timeout);
}

Connection::Step Connection::begin_request() {
  auto& request = m_parser->request();
  m_since = m_window_start = now();
  m_window_bytes = 0;
  m_head_complete = true;
  m_has_asked = true;
  describe_request(request);
  m_close_after = !request.keep_alive;
  if (const auto expect = request.headers.get("Expect");
      !expect.empty() && !equal_ignoring_case(expect, "100-continue"))
    return refuse({417, "the only expectation understood is 100-continue"});

  auto decided = ask_handler(request);
  if (auto* response = std::get_if<Response>(&decided)) {
    if (!request.has_body) return answer(std::move(*response));
    const bool small = request.content_length.value_or(drained_body_bytes + 1) <= drained_body_bytes;
    if (!small || request.headers.has("Expect")) {
      response->close = true;
      return answer(std::move(*response));
    }
    m_sink = std::make_unique<Discarding>(std::move(*response));
  } else {
    m_sink = std::move(std::get<std::unique_ptr<BodySink>>(decided));
  }
  m_phase = Phase::body;
  if (m_parser->done()) return pass_body_on();
  if (!m_parser->remaining() && !m_in.empty()) return pass_body_on();  // step_body() looks at what comes later only
  return expect_continue();
}

void Connection::describe_request(Request& request) const {
  request.client = m_peer;
  request.host = request.headers.get("Host");
  request.secure = m_transport->is_tls();
  if (m_shared.is_proxy(m_peer)) {
    // The right-most address that is not a proxy of ours: everything to its left is the client's own word.
    auto chain = request.headers.combined("X-Forwarded-For");
    while (!chain.empty()) {
      const auto comma = chain.rfind(',');
      auto last = comma == chain.npos ? chain : chain.substr(comma + 1);
      std::erase(last, ' ');
      chain = comma == chain.npos ? std::string() : chain.substr(0, comma);
      if (last.empty() || last.size() > 64) break;
      request.client = last;
      if (!m_shared.is_proxy(last)) break;
    }
    if (const auto scheme = request.headers.get("X-Forwarded-Proto"); !scheme.empty())
      request.secure = scheme == "https";
    if (const auto host = request.headers.get("X-Forwarded-Host"); !host.empty()) request.host = host;
    if (const auto id = request.headers.get("X-Request-Id"); is_plain_id(id)) request.id = id;
  }
  if (request.id.empty()) request.id = unique_hex();
}

Answer Connection::ask_handler(Request& request) {
  try {
    return m_shared.handler(request);
  } catch (const std::exception& error) {
    log::error("handler failed", {{"path", request.target.path()}, {"id", request.id}, {"error", error.what()}});
    return Response::text(500, "internal error; the server's log has it under request " + request.id + "\n");
  }
}

Connection::Step Connection::expect_continue() {
  const bool waits = equal_ignoring_case(m_parser->request().headers.get("Expect"), "100-continue");
  if (!waits || !m_in.empty() || m_parser->request().http_1_0) return std::nullopt;
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  // 25 bytes fit any socket that has sent all earlier answers; one where they do not is not worth a state of its own.
  const auto io = m_transport->write(as_bytes(go_on), false);
  return io.state == IoState::ok && io.bytes == go_on.size() ? Step{} : Step{Next::close};
}

Connection::Step Connection::step_body() {
  for (std::size_t turn = 0;;) {
    bool blocked = false;
    const auto scanned = m_in.size() - std::min<std::size_t>(m_in.size(), 3);
    // What comes of a chunked body is not all content: a piece of it ends anywhere.
    const auto wanted = m_parser->remaining() ? body_piece_bytes - (m_sink->starts_at() + m_bytes_in) % body_piece_bytes
                                              : body_piece_bytes;
    while (m_in.size() < wanted && !blocked) {
      const auto before = m_in.size();
      switch (fill(std::min(wanted - before, std::max<std::size_t>(16384, before)), wanted - before)) {
      case IoState::ok: m_window_bytes += m_in.size() - before; break;
      case IoState::closed:
        // What came last is handed on first: an upload can go on from there.
        if (auto step = m_in.empty() ? Step() : pass_body_on(); step || m_phase != Phase::body) return step;
        if (m_expired) return refuse({408, "the request body came too slowly"});
        return Next::close;
      default: blocked = true;
      }
    }
    const auto remaining = m_parser->remaining();
    // A chunked body ends with an empty line; where one came, a look at it is worth the while.
    const bool complete = remaining ? m_in.size() >= *remaining
                                    : as_text(m_in.view()).find("\r\n\r\n", scanned) != std::string_view::npos;
    const bool memory_short = m_shared.buffered.load(std::memory_order_relaxed) > m_shared.limits.body_buffer_bytes;
    if (!m_in.empty() && (!blocked || complete || memory_short)) {
      turn += m_in.size();
      if (auto step = pass_body_on(); step || m_phase != Phase::body) return step;
      if (memory_short && m_in.empty()) m_in.release();
    }
    if (blocked) return park_for_body();
    if (turn >= turn_bytes && !m_transport->has_pending()) return park_for_body();
  }
}

Connection::Step Connection::pass_body_on() {
  std::optional<Response> refusal;
  try {
    const auto used = m_parser->take_body(m_in.view(), [&](ByteView piece) {
      m_bytes_in += piece.size();
      refusal = m_sink->write(piece);
      return !refusal;
    });
    if (!used) return refuse(used.error());
    m_in.consume(*used);
    if (!refusal && m_parser->done()) return answer(m_sink->finish());
  } catch (const std::exception& error) {
    const auto& request = m_parser->request();
    log::error("handler failed", {{"path", request.target.path()}, {"id", request.id}, {"error", error.what()}});
    refusal = Response::text(500, "internal error; the server's log has it under request " + request.id + "\n");
  }
  if (!refusal) return std::nullopt;
  refusal->close = refusal->close || !m_parser->done();
  return answer(std::move(*refusal));
}

Connection::Step Connection::refuse(Refusal refusal) {
  auto response = Response::text(refusal.status, refusal.reason + "\n");
  response.close = true;
  if (!m_head_complete) {  // no request to speak of, but the log and the metrics should know
    m_head_complete = true;
    describe_request(m_parser->request());
    m_parser->request().route = "malformed";
  }
  return answer(std::move(response));
}

Connection::Step Connection::answer(Response response) {
  m_sink.reset();
  const auto& request = m_parser->request();
  m_close_after = m_close_after || response.close || m_shared.draining;
  m_status = response.status;
  const bool without_body = request.method == Method::head;
  auto outgoing = Outgoing(std::move(response), request, m_close_after, without_body);
  if (!outgoing.is_warm() && !m_shared.may_wait_for_disk()) {
    auto busy = Response::text(503, "too many answers are waiting for the disk; try again shortly\n");
    busy.headers.add("Retry-After", "1");
    m_status = busy.status;
    outgoing = Outgoing(std::move(busy), request, m_close_after, without_body);
  }
  m_outgoing = std::move(outgoing);
  m_phase = Phase::answer;
  return std::nullopt;
}

Connection::Step Connection::answer_tls_on_plain_port() {
  // Go's TLS client looks for exactly these first bytes and then tells "server gave HTTP response to HTTPS client", on
  // which docker and containerd fall back to plain HTTP.
  constexpr std::string_view hint = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
                                    "This port speaks plain HTTP, not TLS.\n";
  m_transport->write(as_bytes(hint), false);
  return begin_lingering();
}

Connection::Step Connection::step_answer() {
  switch (m_outgoing.ship(*m_transport, inline_answer_bytes)) {
  case Shipping::done: return end_exchange(true);
  case Shipping::broken: return Next::close;
  default: return Next::ship;
  }
}

Connection::Step Connection::end_exchange(bool complete) {
  report(complete);
  const bool body_left = !m_parser->done();
  m_total_sent += m_outgoing.bytes_sent();
  m_outgoing = {};
  m_parser.reset();
  if (m_close_after) return body_left ? begin_lingering() : Step{Next::close};
  m_phase = Phase::head;
  // Most clients wait for an answer before they ask again: a look would find nothing, and costs a system call. It is
  // worth that before a server that stops closes the connection.
  const bool looks = !m_in.empty() || m_transport->has_pending() || m_shared.draining;
  return looks ? std::nullopt : await_request();
}

Connection::Step Connection::begin_lingering() {
  // Closing with unread input would reset the connection and could destroy the answer before the peer reads it.
  m_transport->finish_writing();
  m_phase = Phase::lingering;
  m_since = now();
  m_window_bytes = 0;
  return std::nullopt;
}

Connection::Step Connection::step_lingering() {
  for (;;) {
    m_in.consume(m_in.size());
    switch (fill(16384, 16384)) {
    case IoState::ok:
      if ((m_window_bytes += m_in.size()) > linger_bytes_max || now() > m_since + linger_time) return Next::close;
      break;
    case IoState::closed: return Next::close;
    default:
      m_in.release();
      m_deadline.store((m_since + linger_time).time_since_epoch().count());
      return m_expired ? Next::close : Next::read;
    }
  }
}

void Connection::report(bool complete) {
  m_head_complete = false;
  m_shared.observer.ended({.request = m_parser->request(),
                           .status = m_status,
                           .bytes_in = m_bytes_in,
                           .bytes_out = m_outgoing.bytes_sent(),
                           .seconds = seconds_since(m_since),
                           .complete = complete});
  m_status = 0;
  m_bytes_in = 0;
}

IoState Connection::fill(std::size_t room_min, std::size_t size_max) {
  const auto room = m_in.room(room_min);
  const auto io = m_transport->read(room.first(std::min(room.size(), size_max)));
  if (io.state == IoState::ok) m_in.filled(io.bytes);
  return io.state;
}

Connection::Step Connection::park(Next next, std::chrono::milliseconds time_allowed) {
  m_deadline.store((now() + time_allowed).time_since_epoch().count());
  return next;
}

Connection::Next Connection::resume_soon() { return *park(Next::write, m_shared.limits.idle_timeout); }

Connection::Step Connection::park_for_body() {
  const auto& limits = m_shared.limits;
  const auto window = std::chrono::duration<double>(limits.rate_window).count();
  if (now() - m_window_start > limits.rate_window) {
    if (static_cast<double>(m_window_bytes) < static_cast<double>(limits.min_rate) * window)
      return refuse({408, "the request body came too slowly"});
    m_window_start = now();
    m_window_bytes = 0;
  }
  // Late by one second only: what trickles in meanwhile wakes a worker, which judges the rate above.
  m_deadline.store((m_window_start + limits.rate_window + std::chrono::seconds(1)).time_since_epoch().count());
  return Next::read;
}

// ---- the pump's side

Shipping Connection::ship(std::size_t allowance) { return m_outgoing.ship(*m_transport, allowance); }

void Connection::lose_body(const Error& error) {
  const auto& request = m_parser->request();
  log::error("an answer's bytes cannot be had",
             {{"path", request.target.path()}, {"id", request.id}, {"error", error.message}});
  auto response = m_outgoing.instead(error);
  if (!response) return cut();
  m_status = response->status;
  m_outgoing = Outgoing(std::move(*response), request, m_close_after, request.method == Method::head);
}

Connection::Next Connection::after_shipping() {
  // A writable socket gets a worker at once, which goes on with what is buffered already or parks the connection.
  const auto step = end_exchange(true);
  return step ? *step : resume_soon();
}

std::uint64_t Connection::bytes_acknowledged() const {
  int unacknowledged = 0;
  ::ioctl(fd(), SIOCOUTQ, &unacknowledged);
  const auto sent = m_total_sent + m_outgoing.bytes_sent();
  return sent - std::min<std::uint64_t>(sent, static_cast<std::uint64_t>(unacknowledged));
}

// ---- from any thread

void Connection::expire_if_late(Steady at) {
  if (at.time_since_epoch().count() <= m_deadline.load(std::memory_order_relaxed)) return;
  // What waits to be read came in time; that no worker has taken it yet is our doing, not the peer's.
  int waiting = 0;
  if (::ioctl(fd(), FIONREAD, &waiting) == 0 && waiting > 0) return;
  m_deadline.store(no_deadline);
  m_expired.store(true);
  ::shutdown(fd(), SHUT_RD);
}

bool Connection::expire_if_idle() {
  constexpr auto patience_with_new = std::chrono::seconds(1);
  if (!m_idle.load() || (!m_has_asked && now() < m_accepted + patience_with_new)) return false;
  ::shutdown(fd(), SHUT_RD);
  return true;
}

void Connection::cut() {
  // A reset on close: else the kernel would keep what the peer never read, unseen by any limit of ours.
  const linger reset{1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  ::shutdown(fd(), SHUT_RDWR);
}

}  // namespace slipway::http
