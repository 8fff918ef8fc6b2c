#include "http/target.hpp"

#include <fmt/format.h>

namespace slipway::http {
namespace {

constexpr std::size_t parameters_max = 64;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool climbs_or_splits(std::string_view segment) {
  return segment == "." || segment == ".." || segment.find('/') != segment.npos || segment.find('\0') != segment.npos;
}

Result<Query> parse_query(std::string_view text) {
  Query out;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    if (out.size() == parameters_max) return fail(Failure::invalid, "more than 64 query parameters");
    const auto equals = pair.find('=');
    TRY_ASSIGN(auto name, percent_decode(pair.substr(0, equals)));
    TRY_ASSIGN(auto value, percent_decode(equals == pair.npos ? std::string_view() : pair.substr(equals + 1)));
    out.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

/// "http://host:port/path?query" → "/path?query"; an authority ends at the first '/', '?' or '#'.
std::string_view strip_authority(std::string_view raw) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!raw.starts_with(scheme)) continue;
    const auto end = raw.find_first_of("/?#", scheme.size());
    return end == raw.npos ? std::string_view("/") : raw.substr(end);
  }
  return raw;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      return fail(Failure::invalid, "a '%' in the request target is not followed by two hexadecimal digits");
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain)
      out.push_back(c);
    else
      out.append(fmt::format("%{:02X}", static_cast<unsigned char>(c)));
  }
  return out;
}

std::string percent_encode_path(std::string_view path) {
  std::string out;
  for (;;) {
    const auto slash = path.find('/');
    out += percent_encode(path.substr(0, slash));
    if (slash == path.npos) return out;
    out += '/';
    path.remove_prefix(slash + 1);
  }
}

Result<Target> parse_target(std::string_view raw) {
  raw = strip_authority(raw);
  if (raw.empty() || raw.front() != '/') return fail(Failure::invalid, "the request target must start with '/'");
  const auto question = raw.find('?');
  auto path = raw.substr(1, question == raw.npos ? raw.npos : question - 1);
  Target target;
  if (question != raw.npos) {
    TRY_ASSIGN(target.query, parse_query(raw.substr(question + 1)));
  }
  if (path.empty()) {
    target.trailing_slash = true;
    return target;
  }
  if (path.back() == '/') {
    target.trailing_slash = true;
    path.remove_suffix(1);
  }
  for (;;) {
    const auto slash = path.find('/');
    TRY_ASSIGN(auto segment, percent_decode(path.substr(0, slash)));
    if (climbs_or_splits(segment))
      return fail(Failure::invalid, "a path segment is '.', '..', or hides a '/' or a NUL");
    target.segments.push_back(std::move(segment));
    if (slash == path.npos) return target;
    path.remove_prefix(slash + 1);
  }
}

std::string Target::path() const {
  std::string out;
  for (const auto& segment : segments) out.append("/").append(segment);
  if (trailing_slash) out.append("/");
  return out;
}

std::optional<std::string> Target::parameter(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

std::vector<std::string> Target::parameters(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : query)
    if (key == name) out.push_back(value);
  return out;
}

}  // namespace slipway::http
