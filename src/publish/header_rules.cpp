#include "publish/header_rules.hpp"

#include "base/bytes.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>

namespace slipway::publish {
namespace {

/// What says how a body is framed, what it is, or who answers: the server's own.
constexpr std::array<std::string_view, 15> reserved = {
    "accept-ranges",     "age",           "connection", "content-encoding",
    "content-length",    "content-range", "date",       "etag",
    "keep-alive",        "last-modified", "location",   "server",
    "transfer-encoding", "trailer",       "upgrade"};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// RFC 9110 §5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || others.find(c) != others.npos;
  });
}

/// In small letters; invalid unless a rule may have it.
Result<std::string> key_of(std::string_view name) {
  if (!is_token(name)) return fail(Failure::invalid, fmt::format("'{}' is no header's name", printable(name)));
  auto out = in_small_letters(name);
  if (std::ranges::count(reserved, out) > 0 || out.starts_with("x-slipway-"))
    return fail(Failure::invalid, fmt::format("{} is the server's own", name));
  return out;
}

}  // namespace

Result<HeaderRules::Field> HeaderRules::parse_field(std::string_view text) {
  if (text.starts_with('!')) {
    const auto name = trimmed(text.substr(1));
    TRY_ASSIGN(auto key, key_of(name));
    return Field{std::string(name), std::move(key), std::nullopt};
  }
  const auto colon = text.find(':');
  if (colon == text.npos) return fail(Failure::invalid, "a header is 'Name: value', or '! Name' to take it away");
  const auto name = trimmed(text.substr(0, colon));
  TRY_ASSIGN(auto key, key_of(name));
  const auto value = trimmed(text.substr(colon + 1));
  if (!std::ranges::all_of(value, [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7F); }))
    return fail(Failure::invalid, fmt::format("the value of {} is not printable ASCII", name));
  return Field{std::string(name), std::move(key), std::string(value)};
}

Result<HeaderRules> HeaderRules::parse(std::string_view text) {
  if (text.size() > header_rules_bytes_max)
    return fail(Failure::too_large, fmt::format("more than {}", human_size(header_rules_bytes_max)));
  HeaderRules out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto step = [&] { return fmt::format("line {}", number); };
    const auto content = trimmed(line);
    if (content.empty() || content.starts_with('#')) continue;
    if (line.size() > header_line_max)
      return fail(Failure::too_large, fmt::format("line {}: more than {} bytes", number, header_line_max));
    const bool is_field = line.front() == ' ' || line.front() == '\t';
    if (!is_field) {
      if (out.m_rules.size() == header_rules_max)
        return fail(Failure::too_large, fmt::format("line {}: more than {} rules", number, header_rules_max));
      auto path = is_utf8(content) ? Pattern::parse(content) : fail(Failure::invalid, "this is not UTF-8");
      if (!path) return std::unexpected(path.error().during(step()));
      out.m_rules.push_back({std::move(*path), {}});
      continue;
    }
    if (out.m_rules.empty())
      return fail(Failure::invalid, fmt::format("line {}: a header before the first path", number));
    auto field = parse_field(content);
    if (!field) return std::unexpected(field.error().during(step()));
    out.m_rules.back().fields.push_back(std::move(*field));
  }
  return out;
}

void HeaderRules::apply(std::string_view path, http::Headers& headers) const {
  std::set<std::string_view> said;  // by a rule, not by default
  for (const auto& rule : m_rules) {
    const auto captures = rule.path.match(path);
    if (!captures) continue;
    for (const auto& field : rule.fields) {
      if (!field.value) {
        headers.remove(field.name);
        said.erase(field.key);
        continue;
      }
      auto value = substitute(*field.value, *captures);
      if (said.insert(field.key).second)
        headers.set(field.name, std::move(value));
      else if (field.key == "set-cookie")
        headers.add(field.name, std::move(value));
      else
        headers.set(field.name, std::string(headers.get(field.name)) + ", " + value);
    }
  }
}

}  // namespace slipway::publish
