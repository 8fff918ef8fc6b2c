#include "http/message.hpp"

#include <algorithm>
#include <array>

namespace slipway::http {

static constexpr std::array<std::pair<std::string_view, Method>, 8> methods = {{{"GET", Method::get},
                                                                                {"HEAD", Method::head},
                                                                                {"POST", Method::post},
                                                                                {"PUT", Method::put},
                                                                                {"PATCH", Method::patch},
                                                                                {"DELETE", Method::del},
                                                                                {"OPTIONS", Method::options},
                                                                                {"PROPFIND", Method::propfind}}};

Method method_named(std::string_view name) {
  for (const auto& [text, method] : methods)
    if (text == name) return method;
  return Method::other;
}

std::string_view name_of(Method method) {
  for (const auto& [text, known] : methods)
    if (known == method) return text;
  return "OTHER";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

void Headers::add(std::string name, std::string value) { m_fields.emplace_back(std::move(name), std::move(value)); }

void Headers::remove(std::string_view name) {
  std::erase_if(m_fields, [&](const auto& field) { return equal_ignoring_case(field.first, name); });
}

void Headers::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : m_fields)
    if (equal_ignoring_case(key, name)) return value;
  return {};
}

bool Headers::has(std::string_view name) const { return count(name) > 0; }

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(m_fields, [&](const auto& field) { return equal_ignoring_case(field.first, name); }));
}

std::string Headers::combined(std::string_view name) const {
  std::string out;
  for (const auto& [key, value] : m_fields) {
    if (!equal_ignoring_case(key, name)) continue;
    if (!out.empty()) out.append(", ");
    out.append(value);
  }
  return out;
}

std::uint64_t size_of(const Body& body) {
  struct Visitor {
    std::uint64_t operator()(const std::monostate&) const { return 0; }
    std::uint64_t operator()(const std::string& text) const { return text.size(); }
    std::uint64_t operator()(const std::shared_ptr<const std::string>& text) const { return text->size(); }
    std::uint64_t operator()(const FileSlice& slice) const { return slice.range.length; }
  };
  return std::visit(Visitor{}, body);
}

static Response with_type(int status, std::string body, const char* type) {
  Response response{status, {}, std::move(body), false};
  response.headers.add("Content-Type", type);
  return response;
}

Response Response::text(int status, std::string body) {
  return with_type(status, std::move(body), "text/plain; charset=utf-8");
}
Response Response::json(int status, std::string body) { return with_type(status, std::move(body), "application/json"); }

namespace {

class Collector final : public BodySink {
public:
  Collector(std::size_t size_max, Response too_large, std::function<Response(std::string)> finish)
      : m_size_max(size_max), m_too_large(std::move(too_large)), m_finish(std::move(finish)) {}

  std::optional<Response> write(ByteView piece) override {
    if (m_body.size() + piece.size() > m_size_max) return std::move(m_too_large);
    m_body.append(as_text(piece));
    return std::nullopt;
  }

  Response finish() override { return m_finish(std::move(m_body)); }

private:
  const std::size_t m_size_max;
  Response m_too_large;
  std::function<Response(std::string)> m_finish;
  std::string m_body;
};

}  // namespace

std::unique_ptr<BodySink> collect_body(std::size_t size_max, Response too_large,
                                       std::function<Response(std::string)> finish) {
  return std::make_unique<Collector>(size_max, std::move(too_large), std::move(finish));
}

std::string_view reason_of(int status) {
  switch (status) {
  case 100: return "Continue";
  case 200: return "OK";
  case 201: return "Created";
  case 202: return "Accepted";
  case 204: return "No Content";
  case 206: return "Partial Content";
  case 207: return "Multi-Status";
  case 301: return "Moved Permanently";
  case 302: return "Found";
  case 303: return "See Other";
  case 304: return "Not Modified";
  case 307: return "Temporary Redirect";
  case 308: return "Permanent Redirect";
  case 400: return "Bad Request";
  case 401: return "Unauthorized";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 408: return "Request Timeout";
  case 409: return "Conflict";
  case 410: return "Gone";
  case 411: return "Length Required";
  case 412: return "Precondition Failed";
  case 413: return "Content Too Large";
  case 414: return "URI Too Long";
  case 416: return "Range Not Satisfiable";
  case 417: return "Expectation Failed";
  case 429: return "Too Many Requests";
  case 431: return "Request Header Fields Too Large";
  case 500: return "Internal Server Error";
  case 501: return "Not Implemented";
  case 503: return "Service Unavailable";
  case 505: return "HTTP Version Not Supported";
  case 507: return "Insufficient Storage";
  default: return "Unknown";
  }
}

}  // namespace slipway::http
