#include "http/outgoing.hpp"

#include "http/date.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fmt/compile.h>
#include <sys/uio.h>

namespace slipway::http {
namespace {

/// The Date field, formatted at most once a second a thread.
const std::string& date_now() {
  thread_local std::time_t last = 0;
  thread_local std::string text;
  const auto now = std::time(nullptr);
  if (now != last) {
    text = http_date(Timestamp(std::chrono::seconds(now)));
    last = now;
  }
  return text;
}

constexpr std::size_t body_with_head_max = 16384;  // one packet and one call for the many small answers

/// True if the byte at `offset` can be read without waiting for the disk; also where the file system cannot tell.
bool in_memory(int file, std::uint64_t offset) {
  char byte;
  iovec part{&byte, 1};
  return ::preadv2(file, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

bool ends_line(char c) { return c == '\r' || c == '\n' || c == '\0'; }

bool is_filled(const FileSlice& slice) {
  return !slice.filling || slice.filling->filled(slice.range.offset) >= slice.range.length;
}

}  // namespace

Outgoing::Outgoing(Response response, const Request& request, bool close, bool without_body)
    : m_body(std::move(response.body)), m_otherwise(std::move(response.otherwise)), m_body_size(size_of(m_body)) {
  m_head.reserve(512);
  auto out = std::back_inserter(m_head);
  fmt::format_to(out, FMT_COMPILE("HTTP/1.1 {} {}\r\nDate: {}\r\n"), response.status, reason_of(response.status),
                 date_now());
  for (const auto& [name, value] : response.headers.all()) {
    m_head.append(name).append(": ");
    // What a handler echoes may hold anything; a line break would start a field of the client's making.
    if (std::ranges::none_of(value, ends_line))
      m_head.append(value);
    else
      std::ranges::remove_copy_if(value, out, ends_line);
    m_head.append("\r\n");
  }
  if (!request.id.empty()) m_head.append("X-Request-Id: ").append(request.id).append("\r\n");
  if (response.status != 204 && response.status != 304)
    fmt::format_to(out, FMT_COMPILE("Content-Length: {}\r\n"), m_body_size);
  if (close)
    m_head.append("Connection: close\r\n");
  else if (request.http_1_0)
    m_head.append("Connection: keep-alive\r\n");
  m_head.append("\r\n");
  if (without_body) {
    m_body = std::monostate{};
    m_body_size = 0;
  }
  if (const auto* text = std::get_if<std::string>(&m_body); text && text->size() <= body_with_head_max) {
    m_head.append(*text);
    m_body = std::monostate{};
    m_body_size = 0;
  }
  append_small_file();
}

/// Where a small file is in memory, reading it there costs less than having the kernel send it.
void Outgoing::append_small_file() {
  const auto* slice = std::get_if<FileSlice>(&m_body);
  if (!slice || m_body_size > body_with_head_max || !is_filled(*slice)) return;
  const auto head_size = m_head.size();
  m_head.resize(head_size + m_body_size);
  iovec part{m_head.data() + head_size, m_body_size};
  const auto n = ::preadv2(slice->file->get(), &part, 1, static_cast<off_t>(slice->range.offset), RWF_NOWAIT);
  if (n != static_cast<ssize_t>(m_body_size)) return m_head.resize(head_size);
  m_body = std::monostate{};
  m_body_size = 0;
}

ByteView Outgoing::memory() const {
  if (const auto* text = std::get_if<std::string>(&m_body)) return as_bytes(*text);
  if (const auto* text = std::get_if<std::shared_ptr<const std::string>>(&m_body)) return as_bytes(**text);
  return {};
}

FileSlice Outgoing::next_slice(std::size_t window) const {
  const auto* slice = std::get_if<FileSlice>(&m_body);
  if (!slice || m_body_sent == m_body_size) return {};
  return {slice->file,
          {slice->range.offset + m_body_sent, std::min<std::uint64_t>(window, m_body_size - m_body_sent)},
          slice->filling};
}

bool Outgoing::is_warm() {
  const auto next = next_slice(read_ahead_window);
  if (!next.file) return true;
  if (!is_filled(next)) return false;
  if (!in_memory(next.file->get(), next.range.offset) ||
      !in_memory(next.file->get(), next.range.offset + next.range.length - 1))
    return false;
  m_warm_until = m_body_sent + next.range.length;
  return true;
}

std::optional<Response> Outgoing::instead(const Error& error) const {
  if (bytes_sent() > 0) return std::nullopt;
  if (m_otherwise) return m_otherwise(error);
  auto response = Response::text(503, error.message + "\n");
  response.headers.add("Retry-After", "5");
  return response;
}

Shipping Outgoing::ship(Transport& transport, std::size_t allowance) {
  const auto warm_until = std::exchange(m_warm_until, 0);  // while we wait for the peer it may be evicted
  const auto stop = [](IoState state) { return state == IoState::closed ? Shipping::broken : Shipping::blocked; };
  if (m_head_sent == 0 && next_slice(1).filling && warm_until == 0 && !is_warm()) return Shipping::cold;
  while (m_head_sent < m_head.size()) {
    const auto io = transport.write(as_bytes(m_head).subspan(m_head_sent), m_body_size > 0);
    if (io.state != IoState::ok) return stop(io.state);
    m_head_sent += io.bytes;
  }
  while (m_body_sent < m_body_size) {
    if (allowance == 0) return Shipping::more;
    IoResult io;
    if (next_slice(1).file) {
      if (m_body_sent >= std::max(warm_until, m_warm_until) && !is_warm()) return Shipping::cold;
      // Not a byte further: what comes from elsewhere may not be there yet.
      const auto warm = std::max(warm_until, m_warm_until) - m_body_sent;
      const auto next = next_slice(std::min<std::uint64_t>(allowance, warm));
      io = transport.send_file(next.file->get(), next.range);
    } else {
      const auto rest = memory().subspan(m_body_sent);
      io = transport.write(rest.first(std::min(allowance, rest.size())), false);
    }
    if (io.state != IoState::ok) return stop(io.state);
    m_body_sent += io.bytes;
    allowance -= std::min(allowance, io.bytes);
  }
  return Shipping::done;
}

}  // namespace slipway::http
