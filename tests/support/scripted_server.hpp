#pragma once
// A server on loopback that gives each request the next of some answers, byte for byte, and remembers what it was
// asked.

#include <arpa/inet.h>
#include <charconv>
#include <cstdlib>
#include <deque>
#include <fmt/format.h>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace slipway::s3 {

/// An answer as it goes over the wire; `length` other than the body's own makes it a broken one.
inline std::string answer(int status, const std::string& body = {}, const std::string& headers = {},
                          std::size_t length = std::string::npos) {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}", status,
                     length == std::string::npos ? body.size() : length, headers, body);
}

inline std::string refusal(int status, const std::string& code, const std::string& headers = {}) {
  return answer(status, "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>m</Message></Error>", headers);
}

class ScriptedServer {
public:
  /// An empty answer closes the connection instead. When none is left: 500.
  explicit ScriptedServer(std::deque<std::string> answers = {}) : m_answers(std::move(answers)) {
    m_listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(m_listener, reinterpret_cast<sockaddr*>(&address), size) < 0 || ::listen(m_listener, 16) < 0 ||
        ::getsockname(m_listener, reinterpret_cast<sockaddr*>(&address), &size) < 0)
      throw std::runtime_error("no listener");
    m_url = fmt::format("http://127.0.0.1:{}", ntohs(address.sin_port));
    m_thread = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(m_listener, SHUT_RDWR);
    m_thread.join();
    ::close(m_listener);
  }

  const std::string& url() const { return m_url; }
  void add(std::string text) {
    const std::lock_guard lock(m_mutex);
    m_answers.push_back(std::move(text));
  }
  /// As if it were new.
  void clear() {
    const std::lock_guard lock(m_mutex);
    m_answers.clear();
    m_requests.clear();
  }
  /// Heads and bodies, as they came.
  std::vector<std::string> requests() {
    const std::lock_guard lock(m_mutex);
    return m_requests;
  }
  std::string last() { return requests().back(); }

private:
  void serve() {
    for (;;) {
      const int peer = ::accept4(m_listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) return;
      if (auto request = receive(peer); !request.empty()) {
        const auto text = next(std::move(request));
        for (std::size_t sent = 0; sent < text.size();) {
          const auto n = ::send(peer, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
          if (n <= 0) break;
          sent += static_cast<std::size_t>(n);
        }
      }
      ::close(peer);
    }
  }

  static std::string receive(int peer) {
    std::string request;
    for (;;) {
      const auto end = request.find("\r\n\r\n");
      if (end != request.npos) {
        const auto field = request.find("Content-Length: ");
        const auto length = field < end ? std::strtoull(request.c_str() + field + 16, nullptr, 10) : 0;
        if (request.size() >= end + 4 + length) return request;
      }
      char buffer[65536];
      const auto n = ::recv(peer, buffer, sizeof buffer, 0);
      if (n <= 0) return {};
      request.append(buffer, static_cast<std::size_t>(n));
    }
  }

  std::string next(std::string request) {
    const std::lock_guard lock(m_mutex);
    m_requests.push_back(std::move(request));
    if (m_answers.empty()) return answer(500);
    auto text = std::move(m_answers.front());
    m_answers.pop_front();
    return text;
  }

  std::mutex m_mutex;  // guards the answers and requests
  std::deque<std::string> m_answers;
  std::vector<std::string> m_requests;
  int m_listener = -1;
  std::string m_url;
  std::thread m_thread;
};

}  // namespace slipway::s3
