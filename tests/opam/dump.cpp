// Prints each opam file that standard input names, a line each, as opam_oracle.ml does with the official parser.

#include "base/fd.hpp"
#include "opam/syntax.hpp"

#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>

namespace {

using slipway::opam::Item;
using slipway::opam::Value;

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + '"';
}

std::string dump(const Value& value);

std::string dump_all(std::span<const Value> values) {
  std::string out;
  for (const auto& value : values) {
    if (!out.empty()) out += ' ';
    out += dump(value);
  }
  return out;
}

/// a & b & c is (and (and a b) c) there.
std::string dump_left(const char* name, std::span<const Value> values) {
  auto out = dump(values[0]);
  for (const auto& value : values.subspan(1)) out = fmt::format("({} {} {})", name, out, dump(value));
  return out;
}

std::string dump(const Value& value) {
  using enum Value::Kind;
  const std::span<const Value> children = value.children;
  switch (value.kind) {
  case boolean: return value.text == "true" ? "T" : "F";
  case integer: return value.text;
  case string: return in_quotes(value.text);
  case ident: return "i:" + value.text;
  case list: return "[" + dump_all(children) + "]";
  case group: return "(" + dump_all(children) + ")";
  case option: return "(opt " + dump(children[0]) + " {" + dump_all(children.subspan(1)) + "})";
  case all_of: return dump_left("and", children);
  case any_of: return dump_left("or", children);
  case relation: return "(rel " + value.text + " " + dump_all(children) + ")";
  case prefix_relation: return "(prel " + value.text + " " + dump_all(children) + ")";
  case update: return "(env " + value.text + " " + dump_all(children) + ")";
  case prefix: return "(pfx " + value.text + " " + dump_all(children) + ")";
  }
  return {};
}

std::string dump(const std::vector<Item>& items) {
  std::string out;
  for (const auto& item : items) {
    out += item.name;
    if (!item.is_section) {
      out += "=" + dump(item.value) + ";";
      continue;
    }
    if (item.has_section_name) out += in_quotes(item.section_name);
    out += "{" + dump(item.items) + "};";
  }
  return out;
}

}  // namespace

int main() {
  for (std::string path; std::getline(std::cin, path);) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto items = slipway::opam::parse_file(text, path);
    std::cout << path << '\t' << (items ? dump(*items) : "ERR " + items.error().message) << '\n';
  }
}
