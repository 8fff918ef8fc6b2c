#include "catalog/journal_format.hpp"

#include "base/json.hpp"
#include "catalog/journal_tables.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::catalog {
namespace {

constexpr int format_version = 1;
constexpr std::size_t line_bytes_max = 160U << 20;  // a manifest of the largest size that can be configured, escaped

/// A text as JSON, if it is UTF-8.
std::optional<std::string> quoted(std::string_view text) {
  try {
    return Json(text).dump();
  } catch (const Json::type_error&) {
    return std::nullopt;
  }
}

std::string with_tables(const JournalHeader& header) {
  Json tables = Json::object();
  for (const auto& table : journal_tables()) {
    auto& columns = tables[std::string(table.name)] = Json::array();
    for (const auto& column : table.columns) columns.push_back(column.name);
  }
  Json out{{"slipway_journal", format_version}, {"schema", header.schema}, {"generation", header.stretch.generation},
           {"through", header.stretch.through}, {"mark", header.mark},     {"part", header.part},
           {"tables", std::move(tables)}};
  if (header.stretch.after) out["after"] = *header.stretch.after;
  return out.dump() + "\n";
}

}  // namespace

// ---- writing

JournalLine::JournalLine(std::string_view table, bool gone) : m_text(gone ? R"(["gone",")" : "[\"") {
  m_text.append(table).append("\"");
}

void JournalLine::add(std::int64_t number) { fmt::format_to(std::back_inserter(m_text), ",{}", number); }

void JournalLine::add_text(std::string_view text) {
  if (const auto json = quoted(text))
    m_text.append(",").append(*json);
  else
    m_text.append(R"(,{"latin":")").append(to_hex(as_bytes(text))).append("\"}");
}

void JournalLine::add_hex(ByteView bytes) { m_text.append(R"(,{"hex":")").append(to_hex(bytes)).append("\"}"); }

void JournalLine::add_utf8(ByteView bytes) {
  if (const auto json = quoted(as_text(bytes)))
    m_text.append(R"(,{"utf8":)").append(*json).append("}");
  else
    add_hex(bytes);
}

JournalPart::JournalPart(const JournalHeader& header) : m_text(with_tables(header)) {}

void JournalPart::add(const std::string& line) {
  m_text += line;
  ++m_rows;
}

std::string JournalPart::finish() {
  const auto digest = digest_of(as_bytes(m_text));
  m_text += fmt::format("{{\"rows\":{},\"sha256\":\"{}\"}}\n", m_rows, to_hex(digest.value()));
  return std::move(m_text);
}

// ---- reading

namespace {

std::unexpected<Error> damaged(const std::string& what) { return fail(Failure::corrupt, "it is damaged: " + what); }

Result<std::string> bytes_of_hex(const std::string& hex) {
  std::string out(hex.size() / 2, '\0');
  if (!from_hex(hex, std::as_writable_bytes(std::span(out)))) return damaged("a value is not hexadecimal");
  return out;
}

Result<JournalValue> value_of(const Json& json) {
  if (json.is_null()) return nullptr;
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object() || json.size() != 1 || !json.begin()->is_string()) return damaged("a value of no known kind");
  const auto& kind = json.begin().key();
  const auto& text = json.begin()->get_ref<const std::string&>();
  if (kind == "utf8") return JournalBytes{text};
  if (kind != "hex" && kind != "latin") return damaged("a value of no known kind");
  TRY_ASSIGN(auto bytes, bytes_of_hex(text));
  if (kind == "latin") return bytes;
  return JournalBytes{std::move(bytes)};
}

Result<JournalRow> row_of(const Json& json) {
  JournalRow row;
  if (!json.is_array()) return damaged("a line that is no row");
  row.gone = !json.empty() && json[0] == "gone";
  const std::size_t first = row.gone ? 1 : 0;
  if (json.size() <= first || !json[first].is_string()) return damaged("a row without a table");
  row.table = json[first].get<std::string>();
  for (std::size_t i = first + 1; i < json.size(); ++i) {
    TRY_ASSIGN(auto value, value_of(json[i]));
    row.values.push_back(std::move(value));
  }
  return row;
}

Result<std::int64_t> integer_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer())
    return damaged(fmt::format("its first line has no number '{}'", key));
  return found->get<std::int64_t>();
}

Result<JournalHeader> header_of(const Json& json) {
  if (!json.is_object() || !json.contains("slipway_journal")) return damaged("its first line is no header");
  TRY_ASSIGN(const auto version, integer_at(json, "slipway_journal"));
  if (version != format_version)
    return fail(Failure::invalid, fmt::format("it is of format {}, this Slipway knows {}", version, format_version));
  JournalHeader header;
  header.stretch.generation = string_at(json, "generation");
  TRY_ASSIGN(header.stretch.through, integer_at(json, "through"));
  TRY_ASSIGN(header.mark, integer_at(json, "mark"));
  TRY_ASSIGN(header.part, integer_at(json, "part"));
  TRY_ASSIGN(const auto schema, integer_at(json, "schema"));
  header.schema = static_cast<int>(schema);
  if (json.contains("after")) {
    TRY_ASSIGN(header.stretch.after, integer_at(json, "after"));
  }
  const auto tables = json.find("tables");
  if (tables == json.end() || !tables->is_object()) return damaged("its first line names no tables");
  for (const auto& [name, columns] : tables->items()) {
    if (!columns.is_array()) return damaged("a table without columns");
    for (const auto& column : columns) {
      if (!column.is_string()) return damaged("a column without a name");
      header.tables[name].push_back(column.get<std::string>());
    }
  }
  return header;
}

/// The part's text without its last line, which vouches for it.
Result<std::string_view> checked(std::string_view text) {
  if (!text.ends_with('\n')) return damaged("it has no end");
  const auto before = text.rfind('\n', text.size() - 2);
  if (text.size() < 2 || before == text.npos) return damaged("it has no end");
  const auto content = text.substr(0, before + 1);
  const auto end = parse_json(text.substr(before + 1));
  if (!end || !end->is_object()) return damaged("it has no end");
  if (string_at(*end, "sha256") != to_hex(digest_of(as_bytes(content)).value()))
    return damaged("it is not what its checksum says");
  return content;
}

}  // namespace

Result<> read_journal_part(std::string_view text, const std::function<Result<>(const JournalHeader&)>& header,
                           const std::function<Result<>(const JournalRow&)>& row) {
  TRY_ASSIGN(auto content, checked(text));
  constexpr JsonLimits limits{.size_max = line_bytes_max, .depth_max = 4};
  for (bool first = true; !content.empty(); first = false) {
    const auto line = content.substr(0, content.find('\n'));
    content.remove_prefix(line.size() + 1);
    const auto json = parse_json(line, limits);
    if (!json) return damaged(json.error().message);
    if (first) {
      TRY_ASSIGN(const auto read, header_of(*json));
      TRY(header(read));
    } else {
      TRY_ASSIGN(const auto read, row_of(*json));
      TRY(row(read));
    }
  }
  return {};
}

}  // namespace slipway::catalog
