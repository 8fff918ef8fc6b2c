#include "upstream/download.hpp"

#include "base/text.hpp"
#include "upstream/addresses.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <fmt/format.h>
#include <thread>

namespace slipway::upstream {
namespace {

constexpr std::uint64_t rate_min = 1024;
constexpr std::size_t url_bytes_max = 8192;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_http(std::string_view url) {
  const auto scheme = in_small_letters(url.substr(0, url.find("://")));
  return url.find("://") != url.npos && (scheme == "http" || scheme == "https") && url.size() <= url_bytes_max &&
         std::ranges::none_of(url, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; });
}

/// As http::Client wants it: the host, and what is asked of it.
http::ClientRequest request_of(std::string_view url) {
  url = url.substr(0, url.find('#'));
  const auto begin = url.find("://") + 3;
  const auto end = std::min(url.find_first_of("/?", begin), url.size());
  http::ClientRequest out{.url = std::string(url.substr(0, end))};
  out.target = std::string(url.substr(end));
  if (!out.target.starts_with('/')) out.target.insert(0, "/");
  return out;
}

class Attempts {
public:
  Attempts(http::Client& client, DownloadSink& sink, const DownloadOptions& options)
      : m_client(client), m_sink(sink), m_options(options) {}

  Result<Downloaded> run(const std::string& url) {
    for (unsigned attempt = 1;; ++attempt) {
      auto done = follow(url);
      if (done || !http::may_pass(done.error()) || attempt >= m_options.attempts_max || m_options.is_stopped())
        return done;
      std::this_thread::sleep_for(m_options.pause);
    }
  }

private:
  Result<Downloaded> follow(std::string url) {
    for (unsigned redirects = 0; redirects <= m_options.redirects_max; ++redirects) {
      if (!is_http(url)) return fail(Failure::invalid, fmt::format("'{}' is no address of http", printable(url)));
      TRY_ASSIGN(const auto answer, ask(url));
      if (!is_redirect(answer.status)) {
        TRY(judge(url, answer));
        return Downloaded{m_size, printable(answer.headers.get("Content-Type")), url};
      }
      url = resolve_location(url, std::string(answer.headers.get("Location")));
    }
    return fail(Failure::io, fmt::format("{} is sent on more than {} times", printable(url), m_options.redirects_max));
  }

  /// With what came before, if it is of the same bytes; else from the beginning.
  Result<http::ClientResponse> ask(const std::string& url) {
    const bool goes_on = m_size > 0 && !m_validator.empty() && m_url == url;
    if (!goes_on && std::exchange(m_size, 0) > 0) TRY(m_sink.restart());
    m_url = url;
    m_validator = goes_on ? m_validator : std::string();
    auto request = request_of(url);
    request.headers = {"User-Agent: " + m_options.user_agent, "Accept: */*", "Accept-Encoding: identity"};
    if (goes_on) {
      request.headers.push_back(fmt::format("Range: bytes={}-", m_size));
      request.headers.push_back("If-Range: " + m_validator);
      request.sink_status = 206;
    }
    request.on_head = [this, goes_on](const http::ClientResponse& head) { return take_head(head, goes_on); };
    request.sink = [this](ByteView bytes) { return take(bytes); };
    request.answer_bytes_max = 1U << 20;
    request.timeout = m_options.time_max;
    request.stall_timeout = m_options.stall_timeout;
    request.rate_min = rate_min;
    request.is_stopped = m_options.is_stopped;
    bool was_denied = false;
    if (!m_options.may_be_private)
      request.may_connect = [&was_denied](const sockaddr& address) {
        const bool may = is_public(address);
        was_denied = was_denied || !may;
        return may;
      };
    auto answer = m_client.fetch(request);
    if (!answer && was_denied && answer.error().failure == Failure::unavailable)
      return fail(Failure::denied,
                  printable(url) + " is on this machine or its own network, from where nothing is fetched");
    if (answer && goes_on && answer->status != 206) {
      m_validator.clear();
      return fail(Failure::io, printable(url) + " does not go on where it broke off");
    }
    return answer;
  }

  Result<> take_head(const http::ClientResponse& head, bool goes_on) {
    if (goes_on && !head.headers.get("Content-Range").starts_with(fmt::format("bytes {}-", m_size))) {
      m_validator.clear();
      return fail(Failure::io, "another part came than was asked for");
    }
    const auto etag = head.headers.get("ETag");
    if (!goes_on && etag.starts_with('"')) m_validator = etag;  // a strong one
    std::uint64_t announced = 0;
    const auto length = head.headers.get("Content-Length");
    std::from_chars(length.data(), length.data() + length.size(), announced);
    return check_size(announced);
  }

  Result<> take(ByteView bytes) {
    TRY(check_size(bytes.size()));
    m_size += bytes.size();
    return m_sink.write(bytes);
  }

  Result<> check_size(std::uint64_t more) const {
    if (more <= m_options.bytes_max - m_size) return {};
    return fail(Failure::too_large, fmt::format("it has more than {}", human_size(m_options.bytes_max)));
  }

  static Result<> judge(const std::string& url, const http::ClientResponse& answer) {
    const int status = answer.status;
    if (status == 200 || status == 206) return {};
    const auto failure = status == 404 || status == 410                    ? Failure::not_found
                         : status == 429 || status == 503                  ? Failure::busy
                         : status == 500 || status == 502 || status == 504 ? Failure::unavailable
                                                                           : Failure::invalid;
    return fail(failure, fmt::format("{} answered {}", printable(url), status));
  }

  http::Client& m_client;
  DownloadSink& m_sink;
  const DownloadOptions& m_options;
  std::uint64_t m_size = 0;
  std::string m_url;        // that bytes came from
  std::string m_validator;  // theirs; empty: they cannot be gone on with
};

}  // namespace

std::string resolve_location(const std::string& base, const std::string& location) {
  if (location.find("://") != location.npos && location.find("://") < location.find_first_of("/?#")) return location;
  const auto scheme_end = base.find("://");
  const auto path_begin = std::min(base.find_first_of("/?#", scheme_end + 3), base.size());
  if (location.starts_with("//")) return base.substr(0, scheme_end + 1) + location;
  if (location.starts_with('/')) return base.substr(0, path_begin) + location;
  const auto path = base.substr(path_begin, base.find_first_of("?#", path_begin) - path_begin);
  if (location.starts_with('?')) return base.substr(0, path_begin) + path + location;
  const auto folder = path.substr(0, path.rfind('/') + 1);
  return base.substr(0, path_begin) + (folder.empty() ? "/" : folder) + location;
}

Result<Downloaded> download(http::Client& client, const std::string& url, DownloadSink& sink,
                            const DownloadOptions& options) {
  return Attempts(client, sink, options).run(url);
}

}  // namespace slipway::upstream
