#include "http/parser.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

namespace slipway::http {
namespace {

namespace beast = boost::beast::http;
using boost::system::error_code;

/// A well-formed version-00 traceparent's trace id: "00-<32 hex>-<16 hex>-<2 hex>", not all zero.
std::string trace_id_of(std::string_view traceparent) {
  std::array<std::byte, 16> trace;
  std::array<std::byte, 8> span;
  const bool shaped =
      traceparent.size() == 55 && traceparent.starts_with("00-") && traceparent[35] == '-' && traceparent[52] == '-';
  if (!shaped || !from_hex(traceparent.substr(3, 32), trace) || !from_hex(traceparent.substr(36, 16), span)) return {};
  if (trace == decltype(trace){} || span == decltype(span){}) return {};
  return std::string(traceparent.substr(3, 32));
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto item = list.substr(0, comma);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (equal_ignoring_case(item, token)) return true;
    list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

class MessageParser::Impl final : public beast::basic_parser<true> {
public:
  explicit Impl(const Limits& limits) : m_head_bytes(limits.head_bytes), m_header_count(limits.header_count) {
    header_limit(static_cast<std::uint32_t>(limits.head_bytes));
    body_limit(boost::none);  // what a body may weigh is its handler's to say
  }

  std::expected<std::size_t, Refusal> take_head(ByteView bytes) {
    error_code error;
    // Lines that are complete are read for good, even of a head that is not: only what is behind them is new.
    const auto rest = bytes.subspan(m_head_used);
    m_head_used += put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    if (error == beast::error::need_more) return 0;
    if (!error && m_head_used > m_head_bytes) error = beast::error::header_limit;
    if (error) return std::unexpected(refusal_of(error));
    if (!is_header_done()) return 0;
    if (auto bad = check_head()) return std::unexpected(*bad);
    eager(true);
    return m_head_used;
  }

  std::expected<std::size_t, Refusal> take_body(ByteView bytes, const std::function<bool(ByteView)>& piece) {
    m_piece = &piece;
    std::size_t used = 0;
    while (used < bytes.size() && !is_done()) {
      // The smallest chunked body: of a part of it beast asserts that it does not see it twice.
      if (chunked() && !m_any_chunk && bytes.size() - used < std::string_view("0\r\n\r\n").size()) break;
      error_code error;
      used += put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
      if (error == beast::error::need_more && bytes.size() - used > m_head_bytes) error = beast::error::header_limit;
      if (error == beast::error::need_more || error == beast::error::end_of_chunk) break;
      if (error == stopped()) break;
      if (error) return std::unexpected(refusal_of(error));
    }
    m_piece = nullptr;
    return used;
  }

  Request request;

private:
  static error_code stopped() { return make_error_code(boost::system::errc::operation_canceled); }

  static Refusal refusal_of(const error_code& error) {
    if (error == beast::error::header_limit || error == beast::error::buffer_overflow)
      return {431, "the request head, its chunk extensions or its trailer are larger than this server accepts"};
    if (error == beast::error::bad_version) return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    if (error == beast::error::bad_transfer_encoding)
      return {400, "a request tells its length once: by Transfer-Encoding or by Content-Length"};
    return {400, fmt::format("malformed request: {}", error.message())};
  }

  std::optional<Refusal> check_head() {
    if (!request.http_1_0 && request.headers.count("Host") != 1)
      return Refusal{400, "exactly one Host field is needed"};
    const auto coding = request.headers.combined("Transfer-Encoding");
    // Where "chunked" does not come last nobody can tell where the body ends, nor in HTTP/1.0 (RFC 9112 §6.1, §6.3).
    if (request.headers.has("Transfer-Encoding") && (!chunked() || request.http_1_0))
      return Refusal{400, "Transfer-Encoding must end in 'chunked', in HTTP/1.1"};
    if (!coding.empty() && !equal_ignoring_case(coding, "chunked"))
      return Refusal{501, "the only transfer coding understood is 'chunked'"};
    if (request.headers.combined("Content-Length").find(',') != std::string::npos)
      return Refusal{400, "several Content-Length fields"};
    auto target = http::parse_target(m_raw_target);
    if (!target) return Refusal{400, target.error().message};
    request.target = std::move(*target);
    if (const auto length = content_length(); length && !chunked()) request.content_length = *length;
    request.has_body = chunked() || request.content_length.value_or(0) > 0;
    const auto connection = request.headers.combined("Connection");
    request.keep_alive = request.http_1_0 ? has_token(connection, "keep-alive") : !has_token(connection, "close");
    request.trace_id = trace_id_of(request.headers.get("traceparent"));
    return std::nullopt;
  }

  void on_request_impl(beast::verb, boost::beast::string_view method, boost::beast::string_view target, int version,
                       error_code&) override {
    request.method = method_named(view(method));
    request.http_1_0 = version == 10;
    m_raw_target = view(target);
  }
  void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}

  void on_field_impl(beast::field, boost::beast::string_view name, boost::beast::string_view value,
                     error_code& error) override {
    if (is_header_done()) return count_extra(name.size() + value.size(), error);  // a trailer; nobody asks for it
    if (request.headers.all().size() == m_header_count) {
      error = beast::error::header_limit;
      return;
    }
    request.headers.add(std::string(view(name)), std::string(view(value)));
  }

  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view extension, error_code& error) override {
    m_any_chunk = true;
    count_extra(extension.size(), error);
  }
  void on_finish_impl(error_code&) override {}

  std::size_t on_body_impl(boost::beast::string_view body, error_code& error) override { return pass_on(body, error); }
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view body, error_code& error) override {
    return pass_on(body, error);
  }

  /// Chunk extensions and trailers together may be as large as a head.
  void count_extra(std::size_t bytes, error_code& error) {
    m_extra_bytes += bytes;
    if (m_extra_bytes > m_head_bytes) error = beast::error::header_limit;
  }

  std::size_t pass_on(boost::beast::string_view body, error_code& error) {
    if (m_piece && !(*m_piece)(as_bytes(view(body)))) error = stopped();
    return body.size();
  }

  const std::size_t m_head_bytes;
  const std::size_t m_header_count;
  std::size_t m_head_used = 0;
  std::size_t m_extra_bytes = 0;
  bool m_any_chunk = false;
  std::string m_raw_target;
  const std::function<bool(ByteView)>* m_piece = nullptr;
};

MessageParser::MessageParser(const Limits& limits) : m_impl(std::make_unique<Impl>(limits)) {}
MessageParser::~MessageParser() = default;

std::expected<std::size_t, Refusal> MessageParser::take_head(ByteView bytes) { return m_impl->take_head(bytes); }
Request& MessageParser::request() { return m_impl->request; }
std::expected<std::size_t, Refusal> MessageParser::take_body(ByteView bytes,
                                                             const std::function<bool(ByteView)>& piece) {
  return m_impl->take_body(bytes, piece);
}
bool MessageParser::done() const { return m_impl->is_done(); }

std::optional<std::uint64_t> MessageParser::remaining() const {
  if (const auto left = m_impl->content_length_remaining()) return *left;
  return std::nullopt;
}

}  // namespace slipway::http
