#include "connection.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench {
namespace {

constexpr std::size_t drop_bytes = 1 << 20;

[[noreturn]] void fail(std::string_view what) { throw LoadError(std::string(what) + ": " + std::strerror(errno)); }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::uint64_t parse_number(std::string_view text) {
  std::uint64_t number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{})
    throw LoadError("not a number: " + std::string(text));
  return number;
}

}  // namespace

Place place_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto start = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto host = std::string(url.substr(start, url.find('/', start) - start));
  const auto colon = host.find(':');
  in_addr address{};
  if (colon == std::string::npos || ::inet_pton(AF_INET, host.substr(0, colon).c_str(), &address) != 1)
    throw LoadError("not the URL of an address and port: " + std::string(url));
  return {.address = ntohl(address.s_addr),
          .port = static_cast<std::uint16_t>(parse_number(std::string_view(host).substr(colon + 1)))};
}

std::string text_of(const Place& place) {
  const in_addr address{.s_addr = htonl(place.address)};
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &address, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(place.port);
}

void Connection::connect() {
  if (m_socket >= 0) return;
  m_socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (m_socket < 0) fail("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(m_place.port);
  address.sin_addr.s_addr = htonl(m_place.address);
  if (::connect(m_socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int on = 1;
  ::setsockopt(m_socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval patience{.tv_sec = 120, .tv_usec = 0};  // a server that is stuck ends the run, it does not hang it
  ::setsockopt(m_socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(m_socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

void Connection::close() {
  if (m_socket >= 0) ::close(m_socket);
  m_socket = -1;
}

void Connection::send(std::string_view head, std::initializer_list<std::string_view> body) {
  std::vector<iovec> pieces;
  const auto add = [&pieces](std::string_view piece) {
    if (!piece.empty()) pieces.push_back({const_cast<char*>(piece.data()), piece.size()});
  };
  add(head);
  for (const auto piece : body) add(piece);
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  while (message.msg_iovlen > 0) {
    const auto sent = ::sendmsg(m_socket, &message, MSG_NOSIGNAL);
    if (sent < 0) fail("send");
    auto left = static_cast<std::size_t>(sent);
    while (message.msg_iovlen > 0 && left >= message.msg_iov->iov_len) {
      left -= message.msg_iov->iov_len;
      ++message.msg_iov;
      --message.msg_iovlen;
    }
    if (message.msg_iovlen == 0) break;
    message.msg_iov->iov_base = static_cast<char*>(message.msg_iov->iov_base) + left;
    message.msg_iov->iov_len -= left;
  }
}

std::string Connection::receive_head(std::string& rest) {
  std::string received;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto size = ::recv(m_socket, buffer.data(), buffer.size(), 0);
    if (size < 0) fail("receive");
    if (size == 0) throw LoadError("the connection was closed before the end of a head");
    received.append(buffer.data(), static_cast<std::size_t>(size));
    const auto end = received.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    rest = received.substr(end + 4);
    received.resize(end + 2);
    return received;
  }
}

Connection::Head Connection::read_head(std::string_view text, Answer& answer) {
  Head head;
  answer.status = text.size() > 12 ? static_cast<int>(parse_number(text.substr(9, 3))) : 0;
  for (auto start = text.find("\r\n") + 2; start < text.size();) {
    const auto end = text.find("\r\n", start);
    const auto line = text.substr(start, end - start);
    start = end + 2;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto name = line.substr(0, colon);
    auto value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    if (equal_ignoring_case(name, "content-length")) head.content_length = parse_number(value);
    if (equal_ignoring_case(name, "location")) answer.location = value;
    if (equal_ignoring_case(name, "connection")) head.ends_connection = equal_ignoring_case(value, "close");
    if (equal_ignoring_case(name, "transfer-encoding")) throw LoadError("an answer of unknown length");
  }
  return head;
}

Answer Connection::exchange(std::string_view method, std::string_view target, int expected, std::string_view fields,
                            std::initializer_list<std::string_view> body, Clock::time_point deadline) {
  connect();
  std::string request;
  request.append(method)
      .append(" ")
      .append(target)
      .append(" HTTP/1.1\r\nHost: ")
      .append(text_of(m_place))
      .append("\r\n")
      .append(fields);
  if (method == "PUT" || method == "POST" || method == "PATCH") {
    std::size_t size = 0;
    for (const auto piece : body) size += piece.size();
    request.append("Content-Length: ").append(std::to_string(size)).append("\r\n");
  }
  request.append("\r\n");
  send(request, body);

  Answer answer;
  std::string rest;
  const auto sent = Clock::now();
  const auto text = receive_head(rest);
  answer.waited_ms = std::chrono::duration<double, std::milli>(Clock::now() - sent).count();
  auto head = read_head(text, answer);
  const bool is_sent_elsewhere = method == "GET" && answer.status == 307;
  if (answer.status != expected && !is_sent_elsewhere)
    throw LoadError(std::string(method) + " " + std::string(target) + ": " + std::to_string(answer.status) + " " +
                    rest.substr(0, 200) + ", expected " + std::to_string(expected));
  if (method == "HEAD") head.content_length = 0;  // of the body that does not come
  answer.bytes = rest.size();
  static std::array<char, drop_bytes> dropped;  // for all threads: MSG_TRUNC never writes into it
  while (answer.bytes < head.content_length) {
    if (Clock::now() >= deadline) {
      answer.whole = false;
      close();
      return answer;
    }
    const auto most = std::min<std::uint64_t>(head.content_length - answer.bytes, dropped.size());
    const auto size = ::recv(m_socket, dropped.data(), most, MSG_TRUNC);
    if (size < 0) fail("receive");
    if (size == 0) throw LoadError("the connection was closed in the middle of a body");
    answer.bytes += static_cast<std::uint64_t>(size);
  }
  if (head.ends_connection) close();
  return answer;
}

}  // namespace bench
