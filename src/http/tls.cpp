#include "http/tls.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

namespace slipway::http {
namespace {

/// OpenSSL's queued reason, which is emptied.
std::string openssl_reason() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown reason";
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "OpenSSL error " + std::to_string(code);
}

class TlsTransport final : public Transport {
public:
  TlsTransport(Fd socket, std::shared_ptr<SSL_CTX> context)
      : m_socket(std::move(socket)), m_context(std::move(context)), m_ssl(SSL_new(m_context.get()), SSL_free) {
    if (m_ssl) SSL_set_fd(m_ssl.get(), m_socket.get());
  }

  ~TlsTransport() override {
    if (m_ssl && m_established) SSL_shutdown(m_ssl.get());
    ERR_clear_error();
  }

  int fd() const override { return m_socket.get(); }
  bool is_tls() const override { return true; }
  bool has_pending() const override { return m_ssl && SSL_pending(m_ssl.get()) > 0; }

  IoState handshake() override {
    if (!m_ssl) return IoState::closed;
    ERR_clear_error();
    const auto state = state_of(SSL_accept(m_ssl.get()));
    m_established = state == IoState::ok;
    if (state == IoState::closed && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) answer_in_plain();
    return state;
  }

  IoResult read(std::span<std::byte> out) override {
    ERR_clear_error();
    std::size_t n = 0;
    const auto state = state_of(SSL_read_ex(m_ssl.get(), out.data(), out.size(), &n));
    return {state, n};
  }

  IoResult write(ByteView bytes, bool) override {
    ERR_clear_error();
    std::size_t n = 0;
    const auto state = state_of(SSL_write_ex(m_ssl.get(), bytes.data(), bytes.size(), &n));
    return {state, n};
  }

  IoResult send_file(int file, ByteRange range) override {
    if (BIO_get_ktls_send(SSL_get_wbio(m_ssl.get()))) return send_file_by_kernel(file, range);
    // After want_write OpenSSL insists on the same bytes again; the file is immutable, so reading anew gives them.
    std::array<std::byte, 65536> buffer;
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), range.length));
    const auto n = read_some(file, part, range.offset);
    if (!n || *n == 0) return {IoState::closed, 0};
    return write(ByteView(part).first(*n), false);
  }

  void finish_writing() override {
    ERR_clear_error();
    SSL_shutdown(m_ssl.get());
    ::shutdown(fd(), SHUT_WR);
  }

private:
  /// Somebody spoke HTTP here: a sentence helps more than a broken connection.
  void answer_in_plain() const {
    constexpr std::string_view hint =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
        "This port speaks TLS: ask it with https://\n";
    static_cast<void>(::send(fd(), hint.data(), hint.size(), MSG_NOSIGNAL));
    ::shutdown(fd(), SHUT_WR);
    // What was read no more would turn the close into a reset, which could destroy the answer.
    std::array<char, 4096> rest;
    for (int i = 0; i < 16 && ::recv(fd(), rest.data(), rest.size(), 0) > 0; ++i) continue;
  }

  IoResult send_file_by_kernel(int file, ByteRange range) {
    ERR_clear_error();
    const auto n = SSL_sendfile(m_ssl.get(), file, static_cast<off_t>(range.offset),
                                std::min<std::uint64_t>(range.length, 1U << 30), 0);
    if (n > 0) return {IoState::ok, static_cast<std::size_t>(n)};
    return {state_of(static_cast<int>(n)), 0};
  }

  IoState state_of(int result) {
    if (result > 0) return IoState::ok;
    switch (SSL_get_error(m_ssl.get(), result)) {
    case SSL_ERROR_WANT_READ: return IoState::want_read;
    case SSL_ERROR_WANT_WRITE: return IoState::want_write;
    default: m_established = false; return IoState::closed;  // no close_notify on a broken connection
    }
  }

  Fd m_socket;
  std::shared_ptr<SSL_CTX> m_context;
  std::unique_ptr<SSL, void (*)(SSL*)> m_ssl;
  bool m_established = false;
};

}  // namespace

TlsContext::TlsContext(std::filesystem::path certificate, std::filesystem::path key)
    : m_certificate(std::move(certificate)), m_key(std::move(key)) {}

Result<std::unique_ptr<TlsContext>> TlsContext::load(std::filesystem::path certificate, std::filesystem::path key) {
  std::unique_ptr<TlsContext> out(new TlsContext(std::move(certificate), std::move(key)));
  out->m_stamp = out->stamp();
  TRY_ASSIGN(out->m_context, out->read());
  return out;
}

TlsContext::Stamp TlsContext::stamp() const {
  std::error_code ignored;  // a file that is away for a moment looks changed, and reading it then says why
  return {std::filesystem::last_write_time(m_certificate, ignored), std::filesystem::last_write_time(m_key, ignored),
          std::filesystem::file_size(m_certificate, ignored), std::filesystem::file_size(m_key, ignored)};
}

Result<std::shared_ptr<SSL_CTX>> TlsContext::read() const {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return fail(Failure::io, "TLS: " + openssl_reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_ENABLE_KTLS | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context.get(), m_certificate.c_str()) != 1)
    return fail(Failure::invalid, "TLS certificate " + m_certificate.string() + ": " + openssl_reason());
  if (SSL_CTX_use_PrivateKey_file(context.get(), m_key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(Failure::invalid, "TLS key " + m_key.string() + ": " + openssl_reason());
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return fail(Failure::invalid,
                "TLS key " + m_key.string() + " does not belong to certificate " + m_certificate.string());
  return context;
}

Result<bool> TlsContext::reload_if_changed() {
  const auto now = stamp();
  {
    const std::lock_guard lock(m_mutex);
    if (now == m_stamp) return false;
    m_stamp = now;
  }
  TRY_ASSIGN(auto fresh, read());
  const std::lock_guard lock(m_mutex);
  m_context = std::move(fresh);
  return true;
}

std::unique_ptr<Transport> TlsContext::accept(Fd socket) {
  const std::lock_guard lock(m_mutex);
  return std::make_unique<TlsTransport>(std::move(socket), m_context);
}

}  // namespace slipway::http
