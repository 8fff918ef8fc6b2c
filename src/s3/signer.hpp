#pragma once
// Signs requests to S3 by AWS Signature Version 4, in header fields or in a URL. Nothing is sent and no clock is read.
// After "Authenticating Requests: Using the Authorization Header" and "… Using Query Parameters" of the Amazon S3 API
// Reference, whose examples are signer_test.cpp's.

#include "base/clock.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::s3 {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  ///< empty for keys that do not expire
  bool operator==(const Credentials&) const = default;
};

/// For a body whose SHA-256 is not known before it is sent: nothing but TLS keeps it from being changed on its way.
constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string host;    ///< as the Host field says it: with the port, unless that is the scheme's own
  std::string path;    ///< from the slash on, not encoded: "/bucket/some key"
  Fields query;        ///< not encoded; in any order; flags such as "uploads" have an empty value
  Fields amz_headers;  ///< those that begin with "x-amz-", in lower case. Others are not signed: proxies change them
  std::string payload_sha256{unsigned_payload};  ///< 64 hex digits, or unsigned_payload
};

/// What to send.
struct SignedRequest {
  std::string target;  ///< path and query, encoded as they were signed: to be sent as it is
  Fields headers;      ///< the x-amz-* fields, more of them than were given, and Authorization
};

SignedRequest sign(const Request& request, const Credentials& credentials, const std::string& region, Timestamp now);

/// A target that anybody may request with the same method and Host, and any headers and body, until `lifetime` after
/// `now`; S3 allows a week at most. The request's amz_headers and payload are not looked at.
std::string presign(const Request& request, const Credentials& credentials, const std::string& region, Timestamp now,
                    std::chrono::seconds lifetime);

}  // namespace slipway::s3
