#include "publish/registry_client.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "catalog/keep.hpp"
#include "oci/manifest.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <thread>

namespace slipway::publish {
namespace {

constexpr unsigned attempts_max = 6;
constexpr auto first_pause = std::chrono::milliseconds(200);
constexpr std::uint64_t session_from = 64U << 20;   // larger blobs go in pieces …
constexpr std::uint64_t session_piece = 32U << 20;  // … of this size
constexpr std::size_t asked_at_once = 10'000;

bool may_pass(const Result<http::ClientResponse>& response) {
  if (!response) return http::may_pass(response.error());
  return response->status == 429 || response->status == 502 || response->status == 503 || response->status == 504;
}

/// What the server says of it: the first error of the registry's, or of the administration's.
std::string message_of(const std::string& body) {
  const auto json = parse_json(body);
  if (!json || !json->is_object()) return {};
  if (const auto errors = json->find("errors"); errors != json->end() && errors->is_array() && !errors->empty())
    return (*errors)[0].is_object() ? string_at((*errors)[0], "message") : std::string();
  return string_at(*json, "error");
}

std::uint64_t end_of_range(const http::ClientResponse& response) {
  const auto text = response.headers.get("Range");
  std::uint64_t last = 0;
  const auto dash = text.find('-');
  if (dash == text.npos) return 0;
  std::from_chars(text.data() + dash + 1, text.data() + text.size(), last);
  return last == 0 ? 0 : last + 1;
}

}  // namespace

RegistryClient::RegistryClient(http::Asking asking, RegistryAddress address)
    : m_ask(std::move(asking)), m_address(std::move(address)) {}

void RegistryClient::count(std::uint64_t objects, std::uint64_t bytes) {
  m_objects += objects;
  m_bytes += bytes;
}

http::ClientRequest RegistryClient::request_for(std::string method, const std::string& below) const {
  http::ClientRequest out{.method = std::move(method), .url = m_address.url, .ca_file = m_address.ca_file};
  out.target = "/v2/" + m_address.repository + below;
  out.timeout = std::chrono::milliseconds(0);
  if (!m_address.authorization.empty()) out.headers.push_back("Authorization: " + m_address.authorization);
  return out;
}

Result<http::ClientResponse> RegistryClient::ask(http::ClientRequest request) {
  auto pause = first_pause;
  for (unsigned attempt = 1;; ++attempt, pause *= 2) {
    ++m_requests;
    auto response = m_ask(request);
    if (response || response.error().failure == Failure::io) m_was_met = true;
    if (!may_pass(response) || attempt == attempts_max || !m_was_met) {
      if (response) return response;
      const auto failure = response.error().failure == Failure::io ? Failure::unavailable : response.error().failure;
      return fail(failure, response.error().message);
    }
    std::this_thread::sleep_for(pause);
  }
}

Error RegistryClient::refusal(const http::ClientResponse& response, const std::string& what) const {
  const auto said = message_of(response.body);
  auto text = fmt::format("{}: {} answered {}{}{}", what, m_address.url, response.status, said.empty() ? "" : ": ",
                          printable(said, 2000));
  switch (response.status) {
  case 400: return {Failure::invalid, said.empty() ? text : what + ": " + said};
  case 401:
    return {Failure::denied, fmt::format("{}: {} wants credentials: --user NAME:PASSWORD or SLIPWAY_USER, --token or "
                                         "SLIPWAY_TOKEN, or a docker login",
                                         what, m_address.url)};
  case 403: return {Failure::denied, said.empty() ? text : what + ": " + said};
  case 404: return {Failure::not_found, text};
  case 405: return {Failure::read_only, text};
  case 409:
  case 412: return {Failure::conflict, text};
  case 413: return {Failure::too_large, text};
  case 429: return {Failure::busy, text};
  case 503: return {Failure::unavailable, text};
  case 507: return {Failure::no_space, text};
  default: return {Failure::io, text};
  }
}

// ---- reading

Result<std::optional<RegistryClient::Manifest>> RegistryClient::manifest(const std::string& reference) {
  auto request = request_for("GET", "/manifests/" + reference);
  request.headers.push_back(fmt::format("Accept: {}, {}, */*", oci::oci_index, oci::oci_manifest));
  request.answer_bytes_max = 32U << 20;
  TRY_ASSIGN(auto response, ask(std::move(request)));
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) return std::unexpected(refusal(response, "reading " + reference));
  Manifest out{.digest = digest_of(as_bytes(response.body)),
               .media_type = std::string(response.headers.get("Content-Type")),
               .bytes = {}};
  if (const auto named = Digest::parse(reference);
      named && named->algorithm() == Algorithm::sha256 && *named != out.digest)
    return fail(Failure::corrupt, fmt::format("{} answered other bytes than {}", m_address.url, reference));
  out.bytes = std::move(response.body);
  return out;
}

/// A store in a bucket may send its readers there.
Result<> RegistryClient::follow(const http::ClientResponse& response, const std::function<Result<>(ByteView)>& each) {
  http::ClientRequest elsewhere{.url = std::string(response.headers.get("Location")), .ca_file = m_address.ca_file};
  const auto slash = elsewhere.url.find('/', elsewhere.url.find("://") + 3);
  elsewhere.target = slash == elsewhere.url.npos ? "/" : elsewhere.url.substr(slash);
  elsewhere.url.resize(std::min(slash, elsewhere.url.size()));
  elsewhere.timeout = std::chrono::milliseconds(0);
  elsewhere.sink = each;
  TRY_ASSIGN(const auto answer, m_ask(elsewhere));
  if (answer.status != 200) return fail(Failure::io, fmt::format("{} answered {}", elsewhere.url, answer.status));
  return {};
}

Result<> RegistryClient::read_blob(const Digest& digest, std::uint64_t size,
                                   const std::function<Result<>(ByteView)>& each) {
  Hasher hasher(digest.algorithm());
  std::uint64_t left = size;
  const auto take = [&](ByteView piece) -> Result<> {
    if (piece.size() > left) return fail(Failure::corrupt, digest.text() + " is larger than it should be");
    left -= piece.size();
    hasher.update(piece);
    return each(piece);
  };
  auto request = request_for("GET", "/blobs/" + digest.text());
  request.sink = take;
  ++m_requests;
  auto response = m_ask(request);
  if (response && response->status == 307)
    TRY(follow(*response, take));
  else if (!response)
    return std::unexpected(response.error());
  else if (response->status != 200)
    return std::unexpected(refusal(*response, "reading " + digest.text()));
  if (left > 0 || hasher.digest() != digest) return fail(Failure::corrupt, digest.text() + " came with other bytes");
  return {};
}

Result<std::string> RegistryClient::blob(const Digest& digest, std::size_t size_max) {
  auto request = request_for("GET", "/blobs/" + digest.text());
  request.answer_bytes_max = size_max;
  TRY_ASSIGN(auto response, ask(std::move(request)));
  if (response.status == 307) {
    response.body.clear();
    TRY(follow(response, [&](ByteView piece) -> Result<> {
      if (response.body.size() + piece.size() > size_max)
        return fail(Failure::too_large, digest.text() + " is too large");
      response.body += as_text(piece);
      return {};
    }));
  } else if (response.status != 200) {
    return std::unexpected(refusal(response, "reading " + digest.text()));
  }
  if (digest_of(as_bytes(response.body), digest.algorithm()) != digest)
    return fail(Failure::corrupt, digest.text() + " came with other bytes");
  return std::move(response.body);
}

// ---- writing

Result<std::set<Digest>> RegistryClient::missing(const std::vector<Digest>& digests) {
  std::set<Digest> out;
  for (std::size_t at = 0; at < digests.size(); at += asked_at_once) {
    std::string lines;
    for (std::size_t i = at; i < std::min(at + asked_at_once, digests.size()); ++i) lines += digests[i].text() + "\n";
    auto request = request_for("POST", "/_slipway/missing");
    request.body = as_bytes(lines);
    TRY_ASSIGN(const auto response, ask(std::move(request)));
    if (response.status == 404)
      return fail(Failure::invalid, m_address.url + " does not take trees file by file: is that a Slipway server?");
    if (response.status != 200) return std::unexpected(refusal(response, "asking what is missing"));
    for (std::string_view rest = response.body; !rest.empty();) {
      const auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      TRY_ASSIGN(const auto digest, Digest::parse(line));
      out.insert(digest);
    }
  }
  return out;
}

Result<> RegistryClient::put_batch(std::string_view body, std::size_t blobs) {
  auto request = request_for("POST", "/_slipway/blobs");
  request.body = as_bytes(body);
  TRY_ASSIGN(const auto response, ask(std::move(request)));
  if (response.status != 201) return std::unexpected(refusal(response, "sending files"));
  count(blobs, body.size());
  return {};
}

Result<> RegistryClient::put_blob(const Digest& digest, const FileSlice& bytes) {
  if (bytes.range.length > session_from) return put_in_session(digest, bytes);
  auto request = request_for("POST", "/blobs/uploads/?digest=" + digest.text());
  request.body = bytes;
  return put_whole(digest, std::move(request), bytes.range.length);
}

Result<> RegistryClient::put_blob(const Digest& digest, ByteView bytes) {
  auto request = request_for("POST", "/blobs/uploads/?digest=" + digest.text());
  request.body = bytes;
  return put_whole(digest, std::move(request), bytes.size());
}

Result<> RegistryClient::put_whole(const Digest& digest, http::ClientRequest request, std::uint64_t size) {
  TRY_ASSIGN(const auto response, ask(std::move(request)));
  if (response.status == 400) return fail(Failure::conflict, message_of(response.body));
  if (response.status != 201) return std::unexpected(refusal(response, "sending " + digest.text()));
  count(1, size);
  return {};
}

Result<> RegistryClient::put_in_session(const Digest& digest, const FileSlice& bytes) {
  TRY_ASSIGN(const auto begun, ask(request_for("POST", "/blobs/uploads/")));
  if (begun.status != 202) return std::unexpected(refusal(begun, "sending " + digest.text()));
  const auto location = std::string(begun.headers.get("Location"));
  const auto in_session = [&](const char* method, const std::string& query) {
    auto request = request_for(method, "");
    request.target = location + query;
    return request;
  };
  std::uint64_t at = 0;
  for (unsigned failures = 0; at < bytes.range.length;) {
    const auto length = std::min(session_piece, bytes.range.length - at);
    auto request = in_session("PATCH", "");
    request.headers.push_back(fmt::format("Content-Range: {}-{}", at, at + length - 1));
    request.body = FileSlice{bytes.file, {bytes.range.offset + at, length}};
    ++m_requests;
    const auto response = m_ask(request);
    if (response && response->status == 202) {
      at += length;
      failures = 0;
      continue;
    }
    if ((response && !may_pass(response) && response->status != 416 && response->status != 409) ||
        ++failures == attempts_max)
      return response ? std::unexpected(refusal(*response, "sending " + digest.text()))
                      : std::unexpected(response.error());
    std::this_thread::sleep_for(first_pause * (1U << failures));
    TRY_ASSIGN(const auto state, ask(in_session("GET", "")));
    if (state.status != 204) return std::unexpected(refusal(state, "sending " + digest.text()));
    at = end_of_range(state);
  }
  TRY_ASSIGN(const auto ended, ask(in_session("PUT", "?digest=" + digest.text())));
  if (ended.status == 400) return fail(Failure::conflict, message_of(ended.body));
  if (ended.status != 201) return std::unexpected(refusal(ended, "sending " + digest.text()));
  count(1, bytes.range.length);
  return {};
}

Result<> RegistryClient::put_manifest(const Digest& digest, std::string_view media_type, std::string_view bytes) {
  auto request = request_for("PUT", "/manifests/" + digest.text());
  request.headers.push_back(fmt::format("Content-Type: {}", media_type));
  request.body = as_bytes(bytes);
  TRY_ASSIGN(const auto response, ask(std::move(request)));
  if (response.status != 201) return std::unexpected(refusal(response, "sending " + digest.text()));
  count(1, bytes.size());
  return {};
}

Result<> RegistryClient::put_index(const std::string& tag, std::string_view bytes,
                                   const std::optional<Digest>& expected) {
  auto request = request_for("PUT", "/manifests/" + tag);
  request.headers.push_back(fmt::format("Content-Type: {}", oci::oci_index));
  request.headers.push_back(expected ? fmt::format("If-Match: \"{}\"", expected->text()) : "If-None-Match: *");
  request.body = as_bytes(bytes);
  TRY_ASSIGN(const auto response, ask(std::move(request)));
  if (response.status == 412) {
    // Perhaps by ourselves, where an answer was lost.
    TRY_ASSIGN(const auto now, manifest(tag));
    if (!now || now->bytes != bytes)
      return fail(Failure::conflict,
                  fmt::format("somebody else moved {}@{} meanwhile: it is at {} now, and was at {}; look at it, and "
                              "publish again",
                              m_address.repository, tag, now ? now->digest.text() : "nothing",
                              expected ? expected->text() : "nothing"));
  } else if (response.status != 201) {
    return std::unexpected(refusal(response, fmt::format("publishing {}@{}", m_address.repository, tag)));
  }
  count(1, bytes.size());
  return {};
}

}  // namespace slipway::publish
