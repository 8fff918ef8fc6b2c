#include "opam/syntax.hpp"

#include "base/text.hpp"
#include "opam/lexer.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace slipway::opam {
namespace {

/// By recursive descent with one token ahead. From weak to strong: `|`, `&`, prefix `!` and `?`, `{ … }`, relations;
/// the first two take their left side first.
class Parser {
public:
  explicit Parser(std::string_view text) : m_lexer(text) {}

  Result<> begin() { return advance(); }
  bool is_at_end() const { return m_token.kind == Token::Kind::end; }
  Place place() const { return m_token.place; }

  Result<Item> item() {
    if (m_token.kind != Token::Kind::ident) return unexpected("the name of a field or section");
    Item out{.place = m_token.place, .name = std::move(m_token.text), .value = {}, .section_name = {}, .items = {}};
    TRY(advance());
    if (m_token.is(':')) {
      TRY(advance());
      TRY_ASSIGN(out.value, any_of());
      return out;
    }
    out.is_section = true;
    if (m_token.kind == Token::Kind::string) {
      out.has_section_name = true;
      out.section_name = std::move(m_token.text);
      TRY(advance());
    }
    if (!m_token.is('{')) return unexpected(out.has_section_name ? "'{'" : "':' or '{'");
    TRY(descend());
    TRY(advance());
    while (!m_token.is('}')) {
      TRY_ASSIGN(auto within, item());
      out.items.push_back(std::move(within));
    }
    --m_depth;
    TRY(advance());
    return out;
  }

private:
  Result<> advance() {
    TRY_ASSIGN(m_token, m_lexer.next());
    return {};
  }

  Result<> descend() {
    if (++m_depth <= nesting_max) return {};
    return fail(Failure::too_large,
                fmt::format("{}:{}: nested more than {} deep", m_token.place.line, m_token.place.column, nesting_max));
  }

  std::unexpected<Error> unexpected(std::string_view wanted) const {
    const auto seen =
        m_token.kind == Token::Kind::end ? std::string("the end") : "'" + printable(m_token.text, 60) + "'";
    return fail(Failure::invalid,
                fmt::format("{}:{}: {} where {} should be", m_token.place.line, m_token.place.column, seen, wanted));
  }

  Result<Value> any_of() { return joined(Value::Kind::any_of, '|', &Parser::all_of); }
  Result<Value> all_of() { return joined(Value::Kind::all_of, '&', &Parser::postfixed); }

  Result<Value> joined(Value::Kind kind, char mark, Result<Value> (Parser::*operand)()) {
    TRY_ASSIGN(auto first, (this->*operand)());
    if (!m_token.is(mark)) return first;
    Value out{.kind = kind, .place = first.place, .text = {}, .children = {}};
    out.children.push_back(std::move(first));
    while (m_token.is(mark)) {
      TRY(advance());
      TRY_ASSIGN(auto next, (this->*operand)());
      out.children.push_back(std::move(next));
    }
    return out;
  }

  /// A prefix takes the options that follow: !a {b} is !(a {b}).
  Result<Value> postfixed() {
    if (m_token.kind == Token::Kind::prefix) {
      Value out{.kind = Value::Kind::prefix, .place = m_token.place, .text = m_token.text, .children = {}};
      TRY(descend());
      TRY(advance());
      TRY_ASSIGN(auto operand, postfixed());
      --m_depth;
      out.children.push_back(std::move(operand));
      return out;
    }
    TRY_ASSIGN(auto out, primary());
    const auto depth = m_depth;
    while (m_token.is('{')) {
      TRY(descend());  // a {b} {c} lies as deep as it is long
      Value option{.kind = Value::Kind::option, .place = out.place, .text = {}, .children = {}};
      option.children.push_back(std::move(out));
      TRY(advance());
      TRY(values('}', option.children));
      out = std::move(option);
    }
    m_depth = depth;
    return out;
  }

  Result<Value> primary() {
    if (m_token.is('(')) return enclosed(Value::Kind::group, ')');
    if (m_token.is('[')) return enclosed(Value::Kind::list, ']');
    if (m_token.kind == Token::Kind::relation) {
      Value out{.kind = Value::Kind::prefix_relation, .place = m_token.place, .text = m_token.text, .children = {}};
      TRY(advance());
      TRY_ASSIGN(auto right, atom());
      out.children.push_back(std::move(right));
      return out;
    }
    TRY_ASSIGN(auto left, atom());
    if (m_token.kind != Token::Kind::relation && m_token.kind != Token::Kind::update) return left;
    const auto kind = m_token.kind == Token::Kind::relation ? Value::Kind::relation : Value::Kind::update;
    Value out{.kind = kind, .place = left.place, .text = m_token.text, .children = {}};
    TRY(advance());
    TRY_ASSIGN(auto right, atom());
    out.children.push_back(std::move(left));
    out.children.push_back(std::move(right));
    return out;
  }

  Result<Value> enclosed(Value::Kind kind, char closing) {
    Value out{.kind = kind, .place = m_token.place, .text = {}, .children = {}};
    TRY(descend());
    TRY(advance());
    TRY(values(closing, out.children));
    --m_depth;
    return out;
  }

  Result<> values(char closing, std::vector<Value>& out) {
    while (!m_token.is(closing)) {
      TRY_ASSIGN(auto value, any_of());
      out.push_back(std::move(value));
    }
    return advance();
  }

  Result<Value> atom() {
    Value out{.kind = Value::Kind::boolean, .place = m_token.place, .text = {}, .children = {}};
    switch (m_token.kind) {
    case Token::Kind::boolean: break;
    case Token::Kind::integer: out.kind = Value::Kind::integer; break;
    case Token::Kind::string: out.kind = Value::Kind::string; break;
    case Token::Kind::ident: out.kind = Value::Kind::ident; break;
    default: return unexpected("a value");
    }
    out.text = std::move(m_token.text);
    TRY(advance());
    return out;
  }

  Lexer m_lexer;
  Token m_token;
  unsigned m_depth = 0;
};

// ---- opam-version

struct Version {
  std::int64_t major = 0, minor = 0;
  auto operator<=>(const Version&) const = default;
};

/// What the official parser of Debian's opam says it can read: a newer file may be of another syntax.
constexpr Version newest_version{2, 1};

/// As OCaml's Scanf reads a %u: with underscores, in 63 bits, of which the highest makes it negative.
std::optional<std::int64_t> read_number(std::string_view text) {
  std::string digits(text);
  if (!digits.starts_with('_')) std::erase(digits, '_');
  std::uint64_t out = 0;
  const auto* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, out);
  if (digits.empty() || read.ec != std::errc() || read.ptr != end || out >> 63 != 0) return std::nullopt;
  return static_cast<std::int64_t>(out << 1) >> 1;
}

/// "2.1.3" and "2.1~beta" are 2.1; what cannot be read is 0.0.
Version read_version(std::string_view text) {
  const auto first = text.find('.');
  const auto second = first == text.npos ? text.npos : text.find('.', first + 1);
  text = text.substr(0, second != text.npos ? second : text.find_first_not_of("0123456789."));
  const auto dot = text.find('.');
  const auto major = read_number(text.substr(0, dot));
  if (!major) return {};
  if (dot == text.npos) return {*major, 0};
  const auto minor = read_number(text.substr(dot + 1));
  return minor ? Version{*major, *minor} : Version{};
}

bool is_version_field(const Item& item) {
  return !item.is_section && item.name == "opam-version" && item.value.is(Value::Kind::string);
}

/// Of what begins with `opam-version: "…"`.
std::optional<Item> version_header(std::string_view text) {
  Lexer lexer(text);
  const auto name = lexer.next();
  const auto colon = name ? lexer.next() : name;
  const auto version = colon ? lexer.next() : colon;
  if (!version || name->kind != Token::Kind::ident || name->text != "opam-version" || !colon->is(':') ||
      version->kind != Token::Kind::string)
    return std::nullopt;
  Item out{.place = name->place, .name = name->text, .value = {}, .section_name = {}, .items = {}};
  out.value = {.kind = Value::Kind::string, .place = version->place, .text = version->text, .children = {}};
  return out;
}

/// From 2.1 on the field comes once, and first.
Result<> check_versions(std::span<const Item> items) {
  if (items.empty()) return {};
  const bool is_newer = is_version_field(items[0]) && read_version(items[0].value.text) >= Version{2, 1};
  for (const auto& item : items.subspan(1)) {
    if (!is_version_field(item)) continue;
    if (is_newer)
      return fail(Failure::invalid,
                  fmt::format("{}:{}: opam-version cannot be repeated", item.place.line, item.place.column));
    if (read_version(item.value.text) > Version{2, 0})
      return fail(Failure::invalid, fmt::format("{}:{}: opam-version must be the first non-comment line",
                                                item.place.line, item.place.column));
  }
  return {};
}

Result<std::vector<Item>> parse_items(std::string_view text) {
  std::vector<Item> out;
  Parser parser(text);
  TRY(parser.begin());
  while (!parser.is_at_end()) {
    TRY_ASSIGN(auto item, parser.item());
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

Result<std::vector<Item>> parse_file(std::string_view text, std::string_view path) {
  if (text.size() > file_bytes_max)
    return fail(Failure::too_large, fmt::format("{}: larger than {} bytes", path, file_bytes_max));
  const auto in_file = [&](const Error& error) {
    return fail(error.failure, fmt::format("{}:{}", path, error.message));
  };
  auto items = parse_items(text);
  if (!items) {
    auto header = version_header(text);
    if (!header || read_version(header->value.text) <= newest_version || items.error().failure == Failure::too_large)
      return in_file(items.error());
    items.emplace();
    items->push_back(std::move(*header));
    items->push_back({.place = {}, .name = "#", .is_section = true, .value = {}, .section_name = {}, .items = {}});
  }
  if (auto checked = check_versions(*items); !checked) return in_file(checked.error());
  return items;
}

const Value* find_field(std::span<const Item> items, std::string_view name) {
  const auto found =
      std::ranges::find_if(items, [&](const Item& item) { return !item.is_section && item.name == name; });
  return found == items.end() ? nullptr : &found->value;
}

}  // namespace slipway::opam
