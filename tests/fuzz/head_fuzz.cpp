// A message's head and body, whole and in pieces: how the bytes arrive must not change what was asked. A head that is
// accepted must leave no two readings of where its body ends.
//
// Input: two bytes that say where to split, then the message.

#include "http/parser.hpp"
#include "input.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

using namespace slipway;

namespace {

/// Small, so that short inputs reach them.
constexpr http::Limits limits{.head_bytes = 512, .header_count = 16};

struct Outcome {
  int refused = 0;  ///< the status of a refusal
  bool has_head = false;
  bool done = false;
  http::Request request;
  std::string body;
  std::size_t head_bytes = 0;
  std::size_t used = 0;
};

/// What a connection makes of bytes that arrive as `pieces`.
Outcome feed(const std::vector<std::string_view>& pieces) {
  Outcome out;
  http::MessageParser parser(limits);
  std::string waiting;
  std::vector<std::pair<std::string, std::string>> fields;
  const auto collect = [&](ByteView piece) {
    SLIPWAY_INVARIANT(!piece.empty());
    out.body.append(as_text(piece));
    return true;
  };
  const auto keep = [&](const std::expected<std::size_t, http::Refusal>& used) {
    if (!used) {
      out.refused = used.error().status;
      SLIPWAY_INVARIANT(out.refused >= 400 && out.refused <= 505 && !used.error().reason.empty());
      return false;
    }
    SLIPWAY_INVARIANT(*used <= waiting.size());
    waiting.erase(0, *used);
    out.used += *used;
    return true;
  };
  for (const auto piece : pieces) {
    waiting.append(piece);
    if (waiting.empty()) continue;
    if (!out.has_head) {
      // A copy of just the right size, so that reading past its end is seen.
      const std::vector<std::byte> bytes(as_bytes(waiting).begin(), as_bytes(waiting).end());
      if (!keep(parser.take_head(bytes))) return out;
      out.has_head = out.used > 0;
      out.head_bytes = out.used;
      if (out.has_head) fields = parser.request().headers.all();
      if (!out.has_head && waiting.size() >= limits.head_bytes) {
        out.refused = 431;
        return out;
      }
    }
    if (out.has_head && !parser.done() && !waiting.empty()) {
      const std::vector<std::byte> bytes(as_bytes(waiting).begin(), as_bytes(waiting).end());
      if (!keep(parser.take_body(bytes, collect))) return out;
    }
  }
  if (!out.has_head) return out;
  SLIPWAY_INVARIANT(parser.request().headers.all() == fields);  // views of them are kept while the body comes
  out.done = parser.done();
  out.request = std::move(parser.request());
  const auto remaining = parser.remaining();
  SLIPWAY_INVARIANT(remaining.has_value() == (out.request.has_body && out.request.content_length) || out.done);
  if (remaining) SLIPWAY_INVARIANT((*remaining == 0) == out.done);
  return out;
}

/// What may depend on how the bytes came in: whether a malformed head is refused at once or its end waited for, and
/// which fault is seen first of a head, or of a body's framing, that is also too long.
bool may_differ(const Outcome& whole, const Outcome& split, std::string_view text) {
  if (whole.has_head != split.has_head) return false;
  if (text.size() >= limits.head_bytes) return !whole.has_head || whole.refused == 431 || split.refused == 431;
  return !whole.has_head && (!whole.refused || !split.refused);
}

void check_same(const Outcome& a, const Outcome& b) {
  const auto& x = a.request;
  const auto& y = b.request;
  SLIPWAY_INVARIANT(a.has_head == b.has_head && a.done == b.done);
  SLIPWAY_INVARIANT(a.head_bytes == b.head_bytes && a.used == b.used && a.body == b.body);
  SLIPWAY_INVARIANT(x.method == y.method && x.headers.all() == y.headers.all());
  SLIPWAY_INVARIANT(x.target.segments == y.target.segments && x.target.query == y.target.query &&
                    x.target.trailing_slash == y.target.trailing_slash);
  SLIPWAY_INVARIANT(x.content_length == y.content_length && x.has_body == y.has_body && x.http_1_0 == y.http_1_0 &&
                    x.keep_alive == y.keep_alive && x.trace_id == y.trace_id);
}

bool is_token(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

void check_head(const http::Request& request, std::string_view head) {
  SLIPWAY_INVARIANT(head.size() <= limits.head_bytes && head.ends_with("\r\n\r\n"));
  SLIPWAY_INVARIANT(head.find('\0') == head.npos);
  SLIPWAY_INVARIANT(std::ranges::count(head, '\r') == std::ranges::count(head, '\n'));
  const auto& headers = request.headers;
  SLIPWAY_INVARIANT(headers.all().size() <= limits.header_count);
  for (const auto& [name, value] : headers.all()) {
    SLIPWAY_INVARIANT(is_token(name));
    SLIPWAY_INVARIANT(value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos);
  }
  SLIPWAY_INVARIANT(request.http_1_0 || headers.count("Host") == 1);
  if (headers.has("Transfer-Encoding")) {
    SLIPWAY_INVARIANT(!request.http_1_0 && request.has_body && !request.content_length);
    SLIPWAY_INVARIANT(!headers.has("Content-Length"));
    SLIPWAY_INVARIANT(http::equal_ignoring_case(headers.combined("Transfer-Encoding"), "chunked"));
  } else if (headers.has("Content-Length")) {
    SLIPWAY_INVARIANT(headers.count("Content-Length") == 1 && is_number(headers.get("Content-Length")));
    std::uint64_t length = 0;
    const auto text = headers.get("Content-Length");
    SLIPWAY_INVARIANT(std::from_chars(text.data(), text.data() + text.size(), length).ec == std::errc());
    SLIPWAY_INVARIANT(request.content_length == length && request.has_body == (length > 0));
  } else {
    SLIPWAY_INVARIANT(!request.content_length && !request.has_body);
  }
  SLIPWAY_INVARIANT(request.trace_id.empty() || request.trace_id.size() == 32);
}

/// RFC 9112 §7.1, read independently: the body, and how many bytes it took. Only for what the parser accepted whole.
std::pair<std::string, std::size_t> decode_chunked(std::string_view text) {
  std::string body;
  for (std::size_t at = 0;;) {
    std::uint64_t size = 0;
    const auto* const begin = text.data() + at;
    const auto [end, bad] = std::from_chars(begin, text.data() + text.size(), size, 16);
    SLIPWAY_INVARIANT(bad == std::errc() && end != begin);
    const auto eol = text.find("\r\n", at);
    SLIPWAY_INVARIANT(eol != text.npos);
    if (size == 0) return {body, text.find("\r\n\r\n", eol) + 4};
    SLIPWAY_INVARIANT(size <= text.size() - (eol + 2));
    body.append(text.substr(eol + 2, size));
    at = eol + 2 + size;
    SLIPWAY_INVARIANT(text.substr(at, 2) == "\r\n");
    at += 2;
  }
}

void check_body(const Outcome& whole, std::string_view text) {
  const auto body = text.substr(whole.head_bytes);
  const auto used = whole.used - whole.head_bytes;
  if (!whole.request.has_body) {
    SLIPWAY_INVARIANT(whole.done && used == 0 && whole.body.empty());
  } else if (whole.request.content_length) {
    SLIPWAY_INVARIANT(whole.body == body.substr(0, *whole.request.content_length) && used == whole.body.size());
    SLIPWAY_INVARIANT(whole.done == (used == *whole.request.content_length));
  } else if (whole.done) {
    SLIPWAY_INVARIANT(decode_chunked(body) == std::pair(whole.body, used));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto where = input.number<std::uint16_t>();
  const auto text = input.rest();

  const auto whole = feed({text});
  if (whole.has_head && !whole.refused) {
    check_head(whole.request, text.substr(0, whole.head_bytes));
    check_body(whole, text);
  }

  const auto at = where % (text.size() + 1);
  std::vector<std::string_view> crumbs;
  for (std::size_t i = 0, step = 1 + where % 5; i < text.size(); i += step) crumbs.push_back(text.substr(i, step));
  for (const auto& pieces : {std::vector{text.substr(0, at), text.substr(at)}, crumbs}) {
    const auto split = feed(pieces);
    if (whole.refused || split.refused)
      SLIPWAY_INVARIANT(whole.refused == split.refused || may_differ(whole, split, text));
    else
      check_same(whole, split);
  }
  return 0;
}
