#include "http/client.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <curl/curl.h>

namespace slipway::http {
namespace {

constexpr long connect_timeout_ms = 10'000;
constexpr long buffer_bytes = 128L << 10;
constexpr std::size_t headers_max = 100;
constexpr std::size_t header_bytes_max = 64U << 10;

/// One request under way, as libcurl's callbacks see it.
struct Exchange {
  const ClientRequest& request;
  std::uint64_t body_size = 0;
  std::uint64_t body_sent = 0;
  ClientResponse response;
  std::size_t header_bytes = 0;
  bool head_was_told = false;
  Result<> stopped;  // by us: what libcurl says then is not the reason
};

std::uint64_t size_of(const ClientRequest& request) {
  if (const auto* bytes = std::get_if<ByteView>(&request.body)) return bytes->size();
  if (const auto* slice = std::get_if<FileSlice>(&request.body)) return slice->range.length;
  return 0;
}

std::size_t stop(Exchange& exchange, Failure failure, const std::string& what) {
  exchange.stopped = fail(failure, exchange.request.url + " " + what);
  return 0;  // curl takes it for a failed write and ends the exchange
}

/// A line of a head. There may be several heads: "100 Continue", and what comes with a proxy's tunnel.
std::size_t take_header(const char* bytes, std::size_t, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  std::string_view line(bytes, count);
  if (line.starts_with("HTTP/")) {
    exchange.response.headers = {};
    exchange.header_bytes = 0;
    const auto status = line.substr(std::min(line.size(), line.find(' ') + 1));
    exchange.response.status = 0;
    std::from_chars(status.data(), status.data() + status.size(), exchange.response.status);
    return count;
  }
  exchange.header_bytes += count;
  if (exchange.header_bytes > header_bytes_max || exchange.response.headers.all().size() == headers_max)
    return stop(exchange, Failure::too_large, "answered more header fields than are accepted");
  const auto colon = line.find(':');
  if (colon == line.npos) return count;  // the empty line
  auto value = line.substr(colon + 1);
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!value.empty() && is_space(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_space(value.back())) value.remove_suffix(1);
  exchange.response.headers.add(std::string(line.substr(0, colon)), std::string(value));
  return count;
}

std::size_t take_body(const char* bytes, std::size_t, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  auto& body = exchange.response.body;
  if (exchange.request.sink && exchange.response.status == exchange.request.sink_status) {
    if (exchange.request.on_head && !std::exchange(exchange.head_was_told, true))
      exchange.stopped = exchange.request.on_head(exchange.response);
    if (exchange.stopped) exchange.stopped = exchange.request.sink(as_bytes({bytes, count}));
    return exchange.stopped ? count : 0;
  }
  if (body.size() + count > exchange.request.answer_bytes_max)
    return stop(exchange, Failure::too_large, "answered more than is accepted");
  body.append(bytes, count);
  return count;
}

std::size_t give_body(char* out, std::size_t, std::size_t room, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(room, exchange.body_size - exchange.body_sent));
  if (size == 0) return 0;
  if (const auto* bytes = std::get_if<ByteView>(&exchange.request.body)) {
    std::memcpy(out, bytes->data() + exchange.body_sent, size);
  } else {
    const auto& slice = std::get<FileSlice>(exchange.request.body);
    const auto n = read_some(slice.file->get(), std::as_writable_bytes(std::span(out, size)),
                             slice.range.offset + exchange.body_sent);
    if (!n || *n != size) {
      exchange.stopped =
          n ? fail(Failure::corrupt, "a file became shorter while it was sent") : Result<>(std::unexpected(n.error()));
      return CURL_READFUNC_ABORT;
    }
  }
  exchange.body_sent += size;
  return size;
}

/// For a request that is sent again.
int rewind_body(void* user, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(user)->body_sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

/// Like the socket that curl would open, if the address may be had.
curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  const auto& exchange = *static_cast<Exchange*>(user);
  if (!exchange.request.may_connect(address->addr)) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int look_whether_stopped(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchange*>(user)->request.is_stopped() ? 1 : 0;
}

bool nobody_was_met(CURLcode code) {
  return code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT;
}

}  // namespace

bool may_pass(const Error& error) { return error.failure == Failure::io || error.failure == Failure::unavailable; }

struct Client::Handle {
  CURL* curl = curl_easy_init();
  curl_slist* headers = nullptr;
  bool was_used = false;

  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
  }

  template <typename Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(curl, option, value);
  }

  void add_header(const std::string& header) { headers = curl_slist_append(headers, header.c_str()); }

  void prepare(const ClientRequest& request) {
    curl_easy_reset(curl);  // its connections stay
    curl_slist_free_all(std::exchange(headers, nullptr));
    auto url = request.url;
    while (url.ends_with('/')) url.pop_back();
    if (url.starts_with("unix:")) {
      set(CURLOPT_UNIX_SOCKET_PATH, url.substr(5).c_str());
      url = "http://localhost";
    }
    url += request.target;
    for (const auto& header : request.headers) add_header(header);
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    set(CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
    set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(request.rate_min));
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout.count()));
    set(CURLOPT_BUFFERSIZE, buffer_bytes);
    set(CURLOPT_UPLOAD_BUFFERSIZE, buffer_bytes);
    if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
  }

  /// The callbacks; `exchange` lives until the request has ended.
  void attach(Exchange& exchange) {
    const auto& method = exchange.request.method;
    const bool has_body = !std::holds_alternative<std::monostate>(exchange.request.body);
    if (has_body || method == "POST" || method == "PUT" || method == "PATCH") {
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_CUSTOMREQUEST, method.c_str());  // the line above made it a PUT
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(exchange.body_size));
      set(CURLOPT_READFUNCTION, give_body);
      set(CURLOPT_READDATA, &exchange);
      set(CURLOPT_SEEKFUNCTION, rewind_body);
      set(CURLOPT_SEEKDATA, &exchange);
      add_header("Expect:");  // a second's wait at servers that know no 100
    }
    if (exchange.request.may_connect) {
      set(CURLOPT_OPENSOCKETFUNCTION, open_socket);
      set(CURLOPT_OPENSOCKETDATA, &exchange);
    }
    if (exchange.request.is_stopped) {
      set(CURLOPT_XFERINFOFUNCTION, look_whether_stopped);
      set(CURLOPT_XFERINFODATA, &exchange);
      set(CURLOPT_NOPROGRESS, 0L);
    }
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_HEADERFUNCTION, take_header);
    set(CURLOPT_HEADERDATA, &exchange);
    set(CURLOPT_WRITEFUNCTION, take_body);
    set(CURLOPT_WRITEDATA, &exchange);
  }
};

Client::Client(std::size_t idle_max) : m_idle_max(idle_max) {
  static const auto initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);
}

Client::~Client() = default;

std::unique_ptr<Client::Handle> Client::take() {
  {
    const std::lock_guard lock(m_mutex);
    if (!m_idle.empty()) {
      auto handle = std::move(m_idle.back());
      m_idle.pop_back();
      return handle;
    }
  }
  return std::make_unique<Handle>();
}

void Client::give_back(std::unique_ptr<Handle> handle) {
  const std::lock_guard lock(m_mutex);
  if (m_idle.size() < m_idle_max) m_idle.push_back(std::move(handle));
}

Result<ClientResponse> Client::fetch(const ClientRequest& request) {
  auto handle = take();
  if (!handle->curl) return fail(Failure::io, "libcurl cannot be initialised");
  Exchange exchange{.request = request, .body_size = size_of(request), .response = {}, .stopped = {}};
  handle->prepare(request);
  handle->attach(exchange);
  char reason[CURL_ERROR_SIZE] = "";
  handle->set(CURLOPT_ERRORBUFFER, static_cast<char*>(reason));

  const auto code = curl_easy_perform(handle->curl);
  long connections_made = 0;
  curl_easy_getinfo(handle->curl, CURLINFO_NUM_CONNECTS, &connections_made);
  exchange.response.maybe_sent_twice = std::exchange(handle->was_used, true) && connections_made > 0;
  handle->set(CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));
  give_back(std::move(handle));
  if (!exchange.stopped) return std::unexpected(exchange.stopped.error());
  if (code != CURLE_OK)
    return fail(nobody_was_met(code) ? Failure::unavailable : Failure::io,
                "asking " + request.url + ": " + (*reason ? reason : curl_easy_strerror(code)));
  return std::move(exchange.response);
}

Result<ClientResponse> fetch(const ClientRequest& request) { return Client(0).fetch(request); }

}  // namespace slipway::http
