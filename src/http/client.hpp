#pragma once
// A blocking HTTP client for small answers, by libcurl.

#include "base/result.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace slipway::http {

struct ClientRequest {
  std::string method = "GET";
  std::string url;                   ///< http://, https://, or unix:/path/to.sock followed by nothing
  std::string target;                ///< "/api/v1/…", appended to the url
  std::vector<std::string> headers;  ///< "Name: value"
  std::string ca_file;               ///< PEM to trust besides the system's; empty: the system's
  std::chrono::milliseconds timeout{60'000};
  std::size_t answer_bytes_max = 64U << 20;
};

struct ClientResponse {
  int status = 0;
  std::string body;
};

/// Any status is an answer. Failure::io, naming the url and curl's reason, where there was none; too_large past the
/// limit. Follows no redirects. Safe to call from any thread.
Result<ClientResponse> fetch(const ClientRequest& request);

}  // namespace slipway::http
