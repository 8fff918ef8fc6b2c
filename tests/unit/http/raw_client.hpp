#pragma once
// A client that sends exactly the bytes a test says, when it says so.

#include "base/fd.hpp"
#include "http/address.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace slipway::http {

/// An answer as it came.
struct RawAnswer {
  std::string head;
  std::string body;
  int status() const { return head.size() > 12 ? std::atoi(head.c_str() + 9) : 0; }
  bool has(std::string_view line) const { return head.find(line) != head.npos; }
};

/// A blocking connection to a url that a server told. Waits at most a minute for anything, so that a test ends.
class RawClient {
public:
  explicit RawClient(const std::string& url) {
    const auto address = *ListenAddress::parse(url);
    if (address.unix_path.empty()) {
      sockaddr_in target{};
      target.sin_family = AF_INET;
      target.sin_port = htons(address.port);
      ::inet_pton(AF_INET, address.host.c_str(), &target.sin_addr);
      m_socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      m_connected = ::connect(m_socket.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0;
    } else {
      sockaddr_un target{};
      target.sun_family = AF_UNIX;
      address.unix_path.copy(target.sun_path, sizeof target.sun_path - 1);
      m_socket = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      m_connected = ::connect(m_socket.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0;
    }
    const timeval minute{60, 0};
    ::setsockopt(m_socket.get(), SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    if (m_connected && address.tls.value_or(false)) begin_tls();
  }

  bool connected() const { return m_connected; }
  int fd() const { return m_socket.get(); }

  /// False where the server took no more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = m_ssl ? SSL_write(m_ssl.get(), bytes.data(), static_cast<int>(bytes.size()))
                           : ::send(m_socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  RawAnswer ask(const std::string& line, const std::string& fields = "", std::string_view body = "") {
    send(line + " HTTP/1.1\r\nHost: h\r\n" + fields +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + std::string(body));
    return answer(line.starts_with("HEAD "));
  }

  /// The next answer; an empty one where the connection ended.
  RawAnswer answer(bool without_body = false) {
    RawAnswer out;
    while (m_waiting.find("\r\n\r\n") == m_waiting.npos)
      if (!receive()) return out;
    const auto end = m_waiting.find("\r\n\r\n") + 4;
    out.head = m_waiting.substr(0, end);
    m_waiting.erase(0, end);
    const auto field = out.head.find("Content-Length: ");
    if (without_body || field == out.head.npos) return out;
    const auto size = std::stoull(out.head.substr(field + 16));
    while (m_waiting.size() < size && receive()) {
    }
    out.body = m_waiting.substr(0, size);
    m_waiting.erase(0, size);
    return out;
  }

  /// True once so many bytes have come that no answer has taken.
  bool wait_for(std::size_t bytes) {
    while (m_waiting.size() < bytes && receive()) {
    }
    return m_waiting.size() >= bytes;
  }

  /// Everything until the server ends the connection.
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(m_waiting, {});
  }

  void finish_writing() { ::shutdown(m_socket.get(), SHUT_WR); }

  /// The common name of the server's certificate.
  std::string certificate_name() const {
    char name[256] = "";
    const std::unique_ptr<X509, void (*)(X509*)> certificate(SSL_get1_peer_certificate(m_ssl.get()), X509_free);
    if (certificate)
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name, sizeof name);
    return name;
  }

private:
  void begin_tls() {
    m_context.reset(SSL_CTX_new(TLS_client_method()));
    m_ssl.reset(SSL_new(m_context.get()));
    SSL_set_fd(m_ssl.get(), m_socket.get());
    m_connected = SSL_connect(m_ssl.get()) == 1;
    ERR_clear_error();
  }

  bool receive() {
    char buffer[65536];
    const auto n =
        m_ssl ? SSL_read(m_ssl.get(), buffer, sizeof buffer) : ::recv(m_socket.get(), buffer, sizeof buffer, 0);
    if (n > 0) m_waiting.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

  Fd m_socket;
  bool m_connected = false;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> m_context{nullptr, SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> m_ssl{nullptr, SSL_free};
  std::string m_waiting;
};

}  // namespace slipway::http
