#include "opam/syntax.hpp"

#include <fmt/format.h>

namespace slipway::opam {
namespace {

std::string joined(std::span<const Value> values, std::string_view between) {
  std::string out;
  for (const auto& value : values) {
    if (!out.empty()) out += between;
    out += to_text(value);
  }
  return out;
}

}  // namespace

std::string quoted(std::string_view string) {
  std::string out = "\"";
  for (const char c : string) {
    switch (c) {
    case '"':
    case '\\': (out += '\\') += c; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    case '\b': out += "\\b"; break;
    default: out += c;
    }
  }
  return out += '"';
}

std::string to_text(const Value& value) {
  const std::span<const Value> children = value.children;
  switch (value.kind) {
  case Value::Kind::boolean:
  case Value::Kind::integer:
  case Value::Kind::ident: return value.text;
  case Value::Kind::string: return quoted(value.text);
  case Value::Kind::list: return "[" + joined(children, " ") + "]";
  case Value::Kind::group: return "(" + joined(children, " ") + ")";
  case Value::Kind::option: return to_text(children[0]) + " {" + joined(children.subspan(1), " ") + "}";
  case Value::Kind::all_of: return joined(children, " & ");
  case Value::Kind::any_of: return joined(children, " | ");
  case Value::Kind::relation:
  case Value::Kind::update: return to_text(children[0]) + " " + value.text + " " + to_text(children[1]);
  case Value::Kind::prefix_relation: return value.text + " " + to_text(children[0]);
  case Value::Kind::prefix: {
    const auto operand = to_text(children[0]);
    return value.text + (operand.starts_with('=') ? " " : "") + operand;  // != is another word
  }
  }
  return {};
}

}  // namespace slipway::opam
