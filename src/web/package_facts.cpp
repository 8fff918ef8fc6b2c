#include "web/package_facts.hpp"

#include "base/text.hpp"
#include "opam/package.hpp"

#include <algorithm>

namespace slipway::web {
namespace {

using opam::Value;

Json text_or_null(const std::vector<std::string>& texts) { return texts.empty() ? Json() : Json(texts[0]); }

/// Lines that are a list, or that authors have set in some other way, stay as they are.
bool is_set(std::string_view paragraph) {
  for (std::size_t at = 0; at < paragraph.size();) {
    const auto c = paragraph[at];
    if (c == ' ' || c == '-' || c == '*' || c == '#' || c == '|' || c == '`' || (c >= '0' && c <= '9')) return true;
    const auto end = paragraph.find('\n', at);
    at = end == paragraph.npos ? paragraph.size() : end + 1;
  }
  return false;
}

/// Opam leaves it to authors where lines end; paragraphs are where they left one empty.
Json paragraphs_of(std::string_view text) {
  Json out = Json::array();
  while (!text.empty()) {
    const auto end = std::min(text.find("\n\n"), text.size());
    auto paragraph = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    while (paragraph.starts_with('\n')) paragraph.remove_prefix(1);
    while (paragraph.ends_with('\n')) paragraph.remove_suffix(1);
    if (!paragraph.empty()) out.push_back({{"text", paragraph}, {"is_set", is_set(paragraph)}});
  }
  return out;
}

Json addresses_of(const Value* value) {
  Json out = Json::array();
  for (const auto& text : opam::strings_of(value)) {
    const bool is_link = text.starts_with("https://") || text.starts_with("http://");
    out.push_back({{"text", text}, {"link", is_link ? Json(text) : Json()}});
  }
  return out;
}

/// Of `"dune" {>= "3.0"}`: the package, and the rest as it is written.
Json part_of(const Value& value) {
  if (value.is(Value::Kind::string)) return {{"package", value.text}, {"rest", Json()}};
  if (value.is(Value::Kind::option) && value.children[0].is(Value::Kind::string)) {
    auto whole = opam::to_text(value);
    const auto brace = whole.find('{');
    return {{"package", value.children[0].text}, {"rest", brace == whole.npos ? Json() : Json(whole.substr(brace))}};
  }
  return {{"package", Json()}, {"rest", opam::to_text(value)}};
}

/// The parts of a formula that all hold, or, of depopts and conflicts, of which any may.
Json parts_of(const Value* formula) {
  Json out = Json::array();
  if (!formula) return out;
  const bool has_parts = formula->is(Value::Kind::list) || formula->is(Value::Kind::all_of);
  if (!has_parts) {
    out.push_back(part_of(*formula));
    return out;
  }
  for (const auto& child : formula->children) {
    const bool is_conjunction = child.is(Value::Kind::all_of);
    for (const auto& each : is_conjunction ? std::span<const Value>(child.children) : std::span(&child, 1))
      out.push_back(part_of(each));
  }
  return out;
}

}  // namespace

Json facts_of(std::span<const opam::Item> items) {
  const auto field = [&](const char* name) { return opam::find_field(items, name); };
  const auto texts = [&](const char* name) { return opam::strings_of(field(name)); };
  const auto description = texts("description");
  const auto* available = field("available");
  return {{"synopsis", text_or_null(texts("synopsis"))},
          {"description", description.empty() ? Json::array() : paragraphs_of(description[0])},
          {"authors", texts("authors")},
          {"maintainers", texts("maintainer")},
          {"licenses", texts("license")},
          {"tags", texts("tags")},
          {"homepages", addresses_of(field("homepage"))},
          {"bug_reports", addresses_of(field("bug-reports"))},
          {"documentation", addresses_of(field("doc"))},
          {"dev_repo", text_or_null(texts("dev-repo"))},
          {"available", available ? Json(opam::to_text(*available)) : Json()},
          {"depends", parts_of(field("depends"))},
          {"depopts", parts_of(field("depopts"))},
          {"conflicts", parts_of(field("conflicts"))}};
}

}  // namespace slipway::web
