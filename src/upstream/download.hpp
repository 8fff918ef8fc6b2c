#pragma once
// A file of another server, fetched by an address that somebody else chose: whatever is behind it, it ends, it is not
// larger than it may be, and it is not on this machine's own network unless that is allowed.

#include "http/client.hpp"

namespace slipway::upstream {

struct DownloadOptions {
  std::uint64_t bytes_max = std::uint64_t{2} << 30;
  /// Also from this machine and its network; else only from addresses of the Internet.
  bool may_be_private = false;
  std::chrono::seconds stall_timeout{30};         ///< without a kilobyte a second
  std::chrono::milliseconds time_max{3'600'000};  ///< of each request
  unsigned redirects_max = 10;
  unsigned attempts_max = 3;              ///< a connection that breaks off is gone on with, where the server can
  std::chrono::milliseconds pause{1000};  ///< before the next attempt
  std::string user_agent = "slipway";
  std::function<bool()> is_stopped = [] { return false; };
};

/// Where the bytes go, as they come.
class DownloadSink {
public:
  virtual ~DownloadSink() = default;
  /// Everything so far was of no use.
  virtual Result<> restart() = 0;
  virtual Result<> write(ByteView bytes) = 0;
};

struct Downloaded {
  std::uint64_t size = 0;
  std::string media_type;  ///< as the server says; may be empty
  std::string url;         ///< where the redirects ended
};

/// Failure::invalid for an address that is none of http or https; not_found for 404 and 410; too_large past bytes_max;
/// denied where only addresses that may not be had are behind it; busy where the server wants to be left alone for now;
/// unavailable where nobody answers; io for everything else; what the sink fails with. Safe to call from any thread,
/// with one client.
Result<Downloaded> download(http::Client& client, const std::string& url, DownloadSink& sink,
                            const DownloadOptions& options);

/// `location`, as it stands in an answer to a request for `base`, which is whole (RFC 3986 §5, of what http needs).
std::string resolve_location(const std::string& base, const std::string& location);

}  // namespace slipway::upstream
