#pragma once
// Every bound that a client could otherwise push against, in one place. The configuration sets them.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace slipway::http {

struct Limits {
  std::size_t connections = 16384;                 ///< open at once, over all listeners; one more is answered 503
  std::size_t connections_per_client = 1024;       ///< from one address; trusted proxies and unix sockets are exempt
  std::size_t head_bytes = 32U << 10;              ///< request line and fields together; 431 past it
  std::size_t header_count = 100;                  ///< fields in a head; 431 past it
  std::chrono::milliseconds head_timeout{15'000};  ///< first byte of a head to its end, and a TLS handshake; 408
  std::chrono::milliseconds idle_timeout{75'000};  ///< between requests on one connection
  std::uint64_t min_rate = 256;  ///< bytes a second a body or an answer must move at, over each window
  std::chrono::milliseconds rate_window{30'000};
  std::chrono::milliseconds drain_timeout{30'000};  ///< how long running requests may go on after SIGTERM
  std::size_t body_buffer_bytes = 256U << 20;       ///< request bodies waiting in memory, all together; past it each
                                                    ///< connection hands on what it has instead of filling its 512 KiB
  std::size_t cold_reads = 64;                      ///< answers waiting for the disk at once; one more is answered 503
};

}  // namespace slipway::http
