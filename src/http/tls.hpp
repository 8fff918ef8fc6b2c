#pragma once
// TLS by OpenSSL 3 (1.2 and 1.3), with certificates that can be replaced while serving.

#include "base/result.hpp"
#include "http/transport.hpp"

#include <filesystem>
#include <memory>
#include <mutex>

typedef struct ssl_ctx_st SSL_CTX;

namespace slipway::http {

/// The server's certificate chain and key, read again when the files change. Safe to call from any thread.
class TlsContext {
public:
  /// Both PEM. Failure::invalid, naming the file and OpenSSL's reason, where they cannot be used or do not belong
  /// together.
  static Result<std::unique_ptr<TlsContext>> load(std::filesystem::path certificate, std::filesystem::path key);

  /// Reads the files again if either's time or size changed; true if new ones are now in use. On failure the old ones
  /// stay, and the same broken files are not tried again.
  Result<bool> reload_if_changed();

  /// TLS on an accepted socket. Connections keep the certificate they began with.
  std::unique_ptr<Transport> accept(Fd socket);

private:
  struct Stamp {
    std::filesystem::file_time_type certificate_time, key_time;
    std::uintmax_t certificate_size = 0, key_size = 0;
    bool operator==(const Stamp&) const = default;
  };

  TlsContext(std::filesystem::path certificate, std::filesystem::path key);
  Result<std::shared_ptr<SSL_CTX>> read() const;
  Stamp stamp() const;

  const std::filesystem::path m_certificate;
  const std::filesystem::path m_key;
  std::mutex m_mutex;  // guards the two below
  std::shared_ptr<SSL_CTX> m_context;
  Stamp m_stamp;
};

}  // namespace slipway::http
