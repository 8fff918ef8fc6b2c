#pragma once
// Requests to one bucket: signed, sent, tried again where that may help, and their refusals put into plain words.

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "http/client.hpp"
#include "s3/answers.hpp"
#include "s3/circuit.hpp"
#include "s3/keyring.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>

namespace slipway::s3 {

/// How a bucket is addressed: in the path ("host/bucket/key"), as most stores want it, or before the host's name, as
/// AWS does.
enum class Style { path, virtual_host };

struct BucketOptions {
  std::string endpoint;  ///< "https://host[:port]", without a path
  std::string bucket;
  std::string region = "us-east-1";
  Style style = Style::path;
  std::string ca_file;        ///< PEM to trust besides the system's; empty: the system's
  Fields new_object_headers;  ///< x-amz-* for what is put: storage class, server-side encryption
  Patience patience;
  std::chrono::seconds stall_timeout{20};  ///< without a byte in either direction
};

/// What is sent. Read more than once where a request has to be made again.
struct Content {
  std::variant<ByteView, FileSlice> bytes;
  std::string sha256;  ///< 64 hex digits, which the store checks; empty: it checks nothing but what TLS does
};

struct Call {
  std::string method;
  std::string key = {};  ///< empty: the bucket itself
  Fields query = {};
  std::optional<Content> content = {};
  Fields amz_headers = {};
  std::vector<std::string> headers = {};  ///< "Name: value", not signed
  int status = 200;                       ///< of success; for any other there is an error
  std::function<Result<>(ByteView)> sink = {};
  /// False: what failed would fail again, as where the sink did.
  std::function<bool()> is_worth_another = [] { return true; };
  /// Before it is sent again: the store may have done it already.
  std::function<void()> on_again = [] {};
};

/// Safe to call from any thread.
class Requests {
public:
  Requests(BucketOptions options, Keyring& keyring, const Clock& clock);

  /// The answer, if it has the call's status. What may pass (5xx, a connection that breaks, a stall) is tried again,
  /// within Patience.
  Result<http::ClientResponse> make(const Call& call);
  /// A URL by which anybody may ask for an object by this method, for that long.
  Result<std::string> presigned_url(const std::string& method, const std::string& key, std::chrono::seconds lifetime);
  const BucketOptions& options() const { return m_options; }

private:
  struct Ended;
  Ended send(const Call& call, const Credentials& credentials);
  Ended take_refusal(const Call& call, const http::ClientResponse& answer, const Credentials& credentials);
  bool take_time_of(const http::ClientResponse& answer);
  Request request_of(const std::string& method, const std::string& key) const;
  Timestamp now() const { return m_clock.now() + std::chrono::seconds(m_skew_s.load()); }

  const BucketOptions m_options;
  Keyring& m_keyring;
  const Clock& m_clock;
  std::string m_host;  // as it is signed
  std::string m_url;
  http::Client m_client;
  Circuit m_circuit;
  std::atomic<std::int64_t> m_skew_s = 0;  // how far the store's clock is ahead of ours, once that mattered
};

/// What a refusal means and what to do about it.
Error explain(const BucketOptions& options, int status, const Refusal& refusal);

}  // namespace slipway::s3
