#include "http/transport.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/sendfile.h>
#include <sys/socket.h>

namespace slipway::http {
namespace {

IoResult result_of(ssize_t n, IoState when_blocked) {
  if (n > 0) return {IoState::ok, static_cast<std::size_t>(n)};
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {when_blocked, 0};
  return {IoState::closed, 0};
}

class PlainTransport final : public Transport {
public:
  explicit PlainTransport(Fd socket) : m_socket(std::move(socket)) {}

  int fd() const override { return m_socket.get(); }
  IoState handshake() override { return IoState::ok; }

  IoResult read(std::span<std::byte> out) override {
    return result_of(::recv(fd(), out.data(), out.size(), 0), IoState::want_read);
  }

  IoResult write(ByteView bytes, bool more) override {
    const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    return result_of(::send(fd(), bytes.data(), bytes.size(), flags), IoState::want_write);
  }

  IoResult send_file(int file, ByteRange range) override {
    auto offset = static_cast<off_t>(range.offset);
    return result_of(::sendfile(fd(), file, &offset, std::min<std::uint64_t>(range.length, 1U << 30)),
                     IoState::want_write);
  }

  void finish_writing() override { ::shutdown(fd(), SHUT_WR); }

private:
  Fd m_socket;
};

}  // namespace

std::unique_ptr<Transport> plain_transport(Fd socket) { return std::make_unique<PlainTransport>(std::move(socket)); }

}  // namespace slipway::http
