#include "opam/lexer.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

constexpr std::string_view marks = ":{}[]()&|";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_part(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Bytes that one identifier's part takes: letters, digits, '_' and '-' with a letter among them.
std::size_t part_size(std::string_view text) {
  std::size_t size = 0;
  bool has_letter = false;
  for (; size < text.size() && is_part(text[size]); ++size) has_letter = has_letter || is_letter(text[size]);
  return has_letter ? size : 0;
}

/// That, or a "_" alone.
std::size_t part_or_any_size(std::string_view text) {
  if (const auto size = part_size(text); size > 0) return size;
  return text.starts_with('_') ? 1 : 0;
}

/// (part | _) (+ (part | _))* (: part)?
std::size_t ident_size(std::string_view text) {
  auto size = part_or_any_size(text);
  if (size == 0) return 0;
  while (size < text.size() && text[size] == '+') {
    const auto more = part_or_any_size(text.substr(size + 1));
    if (more == 0) break;
    size += 1 + more;
  }
  if (size < text.size() && text[size] == ':')
    if (const auto more = part_size(text.substr(size + 1)); more > 0) size += 1 + more;
  return size;
}

/// -?[0-9_]+
std::size_t integer_size(std::string_view text) {
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  auto size = sign;
  while (size < text.size() && (is_digit(text[size]) || text[size] == '_')) ++size;
  return size == sign ? 0 : size;
}

std::size_t longest_of(std::string_view text, std::span<const std::string_view> words) {
  std::size_t size = 0;
  for (const auto word : words)
    if (text.starts_with(word)) size = std::max(size, word.size());
  return size;
}

constexpr std::array<std::string_view, 7> relations{"=", "!=", "<", "<=", ">", ">=", "~"};
// The lexer of opam knows "=:=" as a word and then refuses it.
constexpr std::array<std::string_view, 6> updates{"+=", ":=", "=+", "=:", "=+=", "=:="};

/// As OCaml reads it, in 63 bits; empty where it does not.
std::string integer_text(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  std::string digits(text.substr(is_negative ? 1 : 0));
  if (digits.starts_with('_')) return {};
  std::erase(digits, '_');
  std::uint64_t value = 0;
  const auto* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  constexpr std::uint64_t limit = std::uint64_t{1} << 62;
  if (read.ec != std::errc() || read.ptr != end || value > limit || (value == limit && !is_negative)) return {};
  return value == 0 ? "0" : fmt::format("{}{}", is_negative ? "-" : "", value);
}

}  // namespace

std::unexpected<Error> Lexer::wrong(Place place, std::string_view what) const {
  return fail(Failure::invalid, fmt::format("{}:{}: {}", place.line, place.column, what));
}

/// Within a line.
void Lexer::advance(std::size_t bytes) {
  m_rest.remove_prefix(bytes);
  m_place.column += static_cast<std::uint32_t>(bytes);
}

Result<Token> Lexer::next() {
  TRY(skip_blanks());
  if (m_rest.empty()) return Token{.kind = Token::Kind::end, .place = m_place, .text = {}};
  if (m_rest.starts_with("\"\"\"")) return read_string(3);
  if (m_rest.starts_with('"')) return read_string(1);
  return read_word();
}

Result<> Lexer::skip_blanks() {
  while (!m_rest.empty()) {
    if (m_rest.starts_with(' ') || m_rest.starts_with('\t')) {
      advance(1);
    } else if (m_rest.starts_with('\n') || m_rest.starts_with("\r\n")) {
      advance(m_rest.find('\n') + 1);
      m_place = {m_place.line + 1, 1};
    } else if (m_rest.starts_with('#')) {
      advance(std::min(m_rest.find('\n'), m_rest.size()));
    } else if (m_rest.starts_with("(*")) {
      TRY(skip_comment());
    } else {
      return {};
    }
  }
  return {};
}

Result<> Lexer::skip_comment() {
  const auto begin = m_place;
  std::size_t depth = 0;
  do {
    if (m_rest.empty()) return wrong(begin, "unterminated comment");
    if (m_rest.starts_with("(*")) {
      ++depth;
      advance(2);
    } else if (m_rest.starts_with("*)")) {
      --depth;
      advance(2);
    } else {
      const bool is_line_end = m_rest.starts_with('\n');
      advance(1);
      if (is_line_end) m_place = {m_place.line + 1, 1};
    }
  } while (depth > 0);
  return {};
}

Result<Token> Lexer::read_string(std::size_t quotes) {
  Token out{.kind = Token::Kind::string, .place = m_place, .text = {}};
  const auto closing = m_rest.substr(0, quotes);
  advance(quotes);
  for (;;) {
    if (m_rest.empty()) return wrong(out.place, "unterminated string");
    if (m_rest.starts_with(closing)) break;
    if (m_rest.starts_with('\\')) {
      TRY(read_escape(out.text));
    } else if (m_rest.starts_with('\n') || m_rest.starts_with("\r\n")) {
      advance(m_rest.find('\n') + 1);
      m_place = {m_place.line + 1, 1};
      out.text += '\n';
    } else {
      out.text += m_rest[0];
      advance(1);
    }
  }
  advance(quotes);
  return out;
}

Result<> Lexer::read_escape(std::string& out) {
  const auto rest = m_rest.substr(1);
  if (rest.starts_with('\n') || rest.starts_with("\r\n")) {
    advance(m_rest.find('\n') + 1);
    m_place = {m_place.line + 1, 1};
    advance(std::min(m_rest.find_first_not_of(" \t"), m_rest.size()));
    return {};
  }
  static constexpr std::string_view letters = "\\\"'nrtb ", meanings = "\\\"'\n\r\t\b ";
  if (const auto at = rest.empty() ? letters.npos : letters.find(rest[0]); at != letters.npos) {
    out += meanings[at];
    advance(2);
    return {};
  }
  if (rest.size() >= 3 && is_digit(rest[0]) && is_digit(rest[1]) && is_digit(rest[2])) {
    const int code = 100 * (rest[0] - '0') + 10 * (rest[1] - '0') + (rest[2] - '0');
    if (code > 255) return wrong(m_place, "illegal escape sequence");
    out += static_cast<char>(code);
    advance(4);
    return {};
  }
  if (rest.size() >= 3 && rest[0] == 'x' && hex_digit(rest[1]) >= 0 && hex_digit(rest[2]) >= 0) {
    out += static_cast<char>(16 * hex_digit(rest[1]) + hex_digit(rest[2]));
    advance(4);
    return {};
  }
  return wrong(m_place, "illegal escape sequence");
}

/// The longest word wins; the earlier of those that are as long.
Result<Token> Lexer::read_word() {
  using enum Token::Kind;
  const auto integer_bytes = integer_size(m_rest);
  const auto ident_bytes = ident_size(m_rest);
  if (ident_bytes > integer_bytes) {
    const auto name = m_rest.substr(0, ident_bytes);
    return word(name == "true" || name == "false" ? boolean : ident, ident_bytes);
  }
  if (integer_bytes > 0) {
    auto text = integer_text(m_rest.substr(0, integer_bytes));
    if (text.empty()) return wrong(m_place, "'" + printable(m_rest.substr(0, integer_bytes)) + "' is not a number");
    auto out = word(integer, integer_bytes);
    out.text = std::move(text);
    return out;
  }
  const auto relation_bytes = longest_of(m_rest, relations), update_bytes = longest_of(m_rest, updates);
  if (update_bytes > relation_bytes) {
    if (update_bytes == 3 && m_rest[1] == ':') return wrong(m_place, "'=:=' is not an operator");
    return word(update, update_bytes);
  }
  if (relation_bytes > 0) {
    auto out = word(relation, relation_bytes);
    if (out.text == "~") out.text = ">=";  // an old spelling
    return out;
  }
  if (marks.find(m_rest[0]) != marks.npos) return word(mark, 1);
  if (m_rest[0] == '!' || m_rest[0] == '?') return word(prefix, 1);
  return wrong(m_place, "'" + printable(m_rest.substr(0, 1)) + "' is not a valid token");
}

Token Lexer::word(Token::Kind kind, std::size_t size) {
  Token out{.kind = kind, .place = m_place, .text = std::string(m_rest.substr(0, size))};
  advance(size);
  return out;
}

}  // namespace slipway::opam
