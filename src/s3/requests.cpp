#include "s3/requests.hpp"

#include "base/digest.hpp"
#include "base/log.hpp"
#include "http/date.hpp"

#include <fmt/format.h>
#include <thread>

namespace slipway::s3 {
namespace {

constexpr std::size_t idle_connections_max = 64;

std::string nothing_sha256() { return to_hex(digest_of({}).value()); }

/// Answers that say nothing of the request: another time they may be others.
bool may_pass(int status, const std::string& code) {
  if (status == 507 || code == "QuotaExceeded") return false;
  return status >= 500 || status == 408 || status == 429 || code == "RequestTimeout" || code == "SlowDown" ||
         code == "InternalError" || code == "ServiceUnavailable" || code == "OperationAborted";
}

}  // namespace

/// How one request ended.
struct Requests::Ended {
  Result<http::ClientResponse> answer;
  enum class Then {
    nothing,  ///< it is the answer, or the error
    again,    ///< what it was refused for has just been mended
    later,    ///< it may pass
  } then = Then::nothing;
};

Requests::Requests(BucketOptions options, Keyring& keyring, const Clock& clock)
    : m_options(std::move(options)), m_keyring(keyring), m_clock(clock), m_client(idle_connections_max),
      m_circuit(m_options.patience) {
  const auto host_at = m_options.endpoint.find("://") + 3;
  m_host = m_options.endpoint.substr(host_at);
  if (m_options.style == Style::virtual_host) m_host = m_options.bucket + "." + m_host;
  m_url = m_options.endpoint.substr(0, host_at) + m_host;
}

Result<http::ClientResponse> Requests::make(const Call& call) {
  const auto describe = [&](const Error& error) {
    return std::unexpected(error.during(call.method + " " + (call.key.empty() ? "the bucket" : call.key)));
  };
  bool was_mended = false;
  for (int number = 1;;) {
    if (const auto open = m_circuit.enter(std::chrono::steady_clock::now()); !open) return describe(open.error());
    const auto credentials = m_keyring.get();
    if (!credentials) return describe(credentials.error());
    auto ended = send(call, *credentials);
    if (ended.then != Ended::Then::later) {
      m_circuit.answered();
      if (ended.answer) return std::move(*ended.answer);
      if (ended.then == Ended::Then::nothing || std::exchange(was_mended, true)) return describe(ended.answer.error());
      continue;
    }
    const auto& error = ended.answer.error();
    m_circuit.failed(std::chrono::steady_clock::now(), error.message);
    const auto pause = m_circuit.pause_before(++number);
    if (!pause) return describe(error);
    log::debug("asking the object store again",
               {{"method", call.method}, {"key", call.key}, {"attempt", number}, {"error", error.message}});
    std::this_thread::sleep_for(*pause);
    call.on_again();
  }
}

Requests::Ended Requests::send(const Call& call, const Credentials& credentials) {
  auto request = request_of(call.method, call.key);
  request.query = call.query;
  request.amz_headers = call.amz_headers;
  if (!call.content)
    request.payload_sha256 = nothing_sha256();
  else if (!call.content->sha256.empty())
    request.payload_sha256 = call.content->sha256;
  const auto signed_request = sign(request, credentials, m_options.region, now());

  http::ClientRequest out{.method = call.method,
                          .url = m_url,
                          .target = signed_request.target,
                          .headers = call.headers,
                          .body = {},
                          .sink = call.sink,
                          .sink_status = call.status,
                          .ca_file = m_options.ca_file,
                          .timeout = std::chrono::milliseconds(0),  // it may be large: only a stall ends it
                          .stall_timeout = m_options.stall_timeout,
                          .answer_bytes_max = answer_bytes_max};
  for (const auto& [name, value] : signed_request.headers) out.headers.push_back(name + ": " + value);
  if (call.content) std::visit([&](const auto& bytes) { out.body = bytes; }, call.content->bytes);

  auto answer = m_client.fetch(out);
  if (!answer) {
    if (!http::may_pass(answer.error()) || !call.is_worth_another()) return {std::move(answer)};
    return {fail(Failure::unavailable, answer.error().message), Ended::Then::later};
  }
  // A store may begin to answer 200 and then find that it cannot: the body says so.
  if (answer->status == call.status && !read_refusal(answer->body)) return {std::move(answer)};
  return take_refusal(call, *answer, credentials);
}

Requests::Ended Requests::take_refusal(const Call& call, const http::ClientResponse& answer,
                                       const Credentials& credentials) {
  const auto refusal = read_refusal(answer.body).value_or(Refusal());
  auto error = explain(m_options, answer.status, refusal);
  if (may_pass(answer.status, refusal.code))
    return {std::unexpected(std::move(error)), call.is_worth_another() ? Ended::Then::later : Ended::Then::nothing};
  const bool has_expired = refusal.code == "ExpiredToken" || refusal.code == "TokenRefreshRequired";
  if (has_expired) m_keyring.forget(credentials);
  const bool is_mended = has_expired || (refusal.code == "RequestTimeTooSkewed" && take_time_of(answer));
  return {std::unexpected(std::move(error)), is_mended ? Ended::Then::again : Ended::Then::nothing};
}

/// The store refuses what is signed at another time than its own, so it is asked by its own.
bool Requests::take_time_of(const http::ClientResponse& answer) {
  const auto theirs = http::parse_http_date(answer.headers.get("Date"));
  if (!theirs) return false;
  const auto skew = std::chrono::duration_cast<std::chrono::seconds>(*theirs - m_clock.now()).count();
  if (m_skew_s.exchange(skew) == skew) return false;
  log::warn("this machine's clock differs from the object store's: check which is right",
            {{"store_ahead_s", skew}, {"endpoint", m_options.endpoint}});
  return true;
}

Request Requests::request_of(const std::string& method, const std::string& key) const {
  const auto path = m_options.style == Style::path ? "/" + m_options.bucket + "/" + key : "/" + key;
  return {.method = method, .host = m_host, .path = path, .query = {}, .amz_headers = {}};
}

Result<std::string> Requests::presigned_url(const std::string& method, const std::string& key,
                                            std::chrono::seconds lifetime) {
  TRY_ASSIGN(const auto credentials, m_keyring.get());
  return m_url + presign(request_of(method, key), credentials, m_options.region, now(), lifetime);
}

Error explain(const BucketOptions& options, int status, const Refusal& refusal) {
  const auto& [code, message, region] = refusal;
  const auto where = options.endpoint;
  const auto said = fmt::format("{} answered {}{}", where, status,
                                code.empty() ? "" : " " + code + (message.empty() ? "" : " (" + message + ")"));
  if (code == "NoSuchBucket")
    return {Failure::unavailable,
            "there is no bucket '" + options.bucket + "' at " + where + ": make it, or correct the bucket's name"};
  if (code == "InvalidAccessKeyId")
    return {Failure::unavailable,
            where + " does not know the access key: check AWS_ACCESS_KEY_ID, or whose keys these are"};
  if (code == "SignatureDoesNotMatch")
    return {Failure::unavailable,
            where + " finds the signature wrong: most likely the secret key is (AWS_SECRET_ACCESS_KEY)"};
  if (code == "RequestTimeTooSkewed")
    return {Failure::unavailable, where + " has another time than this machine: set the clock (NTP)"};
  if (code == "ExpiredToken" || code == "InvalidToken")
    return {Failure::unavailable, where + " takes the session token no more: get new credentials"};
  if (code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" ||
      code == "IllegalLocationConstraintException" || (status == 301 && code.empty()))
    return {Failure::unavailable,
            fmt::format("the bucket '{}' is in another region than '{}'{}: set the region", options.bucket,
                        options.region, region.empty() ? "" : ", in '" + region + "'")};
  if (status == 403)
    return {Failure::unavailable, said + ": these keys may not do this with bucket '" + options.bucket + "'"};
  if (code == "QuotaExceeded" || status == 507) return {Failure::no_space, said};
  if (status == 404) return {Failure::not_found, said};
  if (status == 416) return {Failure::out_of_range, said};
  if (status == 412 || status == 409 || code == "InvalidPart" || code == "InvalidPartOrder" || code == "EntityTooSmall")
    return {Failure::conflict, said};
  if (may_pass(status, code)) return {Failure::unavailable, said};
  return {Failure::io, said};
}

}  // namespace slipway::s3
