#include "s3/signer.hpp"

#include "base/digest.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace slipway::s3 {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

/// Sorted as encoded, which is another order than that of the texts.
std::string canonical_query(const Fields& query) {
  Fields encoded;
  for (const auto& [name, value] : query) encoded.emplace_back(http::percent_encode(name), http::percent_encode(value));
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded) out.append(out.empty() ? "" : "&").append(name).append("=").append(value);
  return out;
}

/// Without spaces around it, and one for several within.
std::string trimmed(std::string_view value) {
  std::string out;
  for (const char c : value)
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out.push_back(c);
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// "20130524T000000Z".
std::string stamp_of(Timestamp now) {
  const auto seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts)};
}

/// One signature's place and day.
struct Scope {
  std::string stamp;
  std::string region;

  std::string date() const { return stamp.substr(0, 8); }
  std::string text() const { return date() + "/" + region + "/s3/aws4_request"; }
};

std::string signature(const Scope& scope, const std::string& secret_key, std::string_view canonical_request) {
  const auto text = std::string(algorithm) + "\n" + scope.stamp + "\n" + scope.text() + "\n" +
                    to_hex(digest_of(as_bytes(canonical_request)).value());
  auto key = hmac_sha256("AWS4" + secret_key, scope.date());
  for (const std::string_view part :
       {std::string_view(scope.region), std::string_view("s3"), std::string_view("aws4_request")})
    key = hmac_sha256(key, part);
  return to_hex(as_bytes(hmac_sha256(key, text)));
}

}  // namespace

SignedRequest sign(const Request& request, const Credentials& credentials, const std::string& region, Timestamp now) {
  const Scope scope{stamp_of(now), region};
  // S3 encodes a path once, and takes "." and ".." as any other name.
  SignedRequest out{.target = http::percent_encode_path(request.path), .headers = request.amz_headers};
  out.headers.emplace_back("x-amz-date", scope.stamp);
  out.headers.emplace_back("x-amz-content-sha256", request.payload_sha256);
  if (!credentials.session_token.empty()) out.headers.emplace_back("x-amz-security-token", credentials.session_token);

  auto signed_fields = out.headers;
  signed_fields.emplace_back("host", request.host);
  std::ranges::sort(signed_fields);
  std::string fields;
  std::string names;
  for (const auto& [name, value] : signed_fields) {
    fields.append(name).append(":").append(trimmed(value)).append("\n");
    names.append(names.empty() ? "" : ";").append(name);
  }
  const auto query = canonical_query(request.query);
  const auto canonical =
      request.method + "\n" + out.target + "\n" + query + "\n" + fields + "\n" + names + "\n" + request.payload_sha256;
  if (!query.empty()) out.target += "?" + query;
  out.headers.emplace_back("Authorization", std::string(algorithm) + " Credential=" + credentials.access_key + "/" +
                                                scope.text() + ", SignedHeaders=" + names +
                                                ", Signature=" + signature(scope, credentials.secret_key, canonical));
  return out;
}

std::string presign(const Request& request, const Credentials& credentials, const std::string& region, Timestamp now,
                    std::chrono::seconds lifetime) {
  const Scope scope{stamp_of(now), region};
  auto fields = request.query;
  fields.emplace_back("X-Amz-Algorithm", algorithm);
  fields.emplace_back("X-Amz-Credential", credentials.access_key + "/" + scope.text());
  fields.emplace_back("X-Amz-Date", scope.stamp);
  fields.emplace_back("X-Amz-Expires", std::to_string(lifetime.count()));
  fields.emplace_back("X-Amz-SignedHeaders", "host");
  if (!credentials.session_token.empty()) fields.emplace_back("X-Amz-Security-Token", credentials.session_token);
  const auto path = http::percent_encode_path(request.path);
  const auto query = canonical_query(fields);
  const auto canonical = request.method + "\n" + path + "\n" + query + "\nhost:" + request.host + "\n\nhost\n" +
                         std::string(unsigned_payload);
  return path + "?" + query + "&X-Amz-Signature=" + signature(scope, credentials.secret_key, canonical);
}

}  // namespace slipway::s3
