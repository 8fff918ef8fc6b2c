#pragma once
// The syntax of opam files: what `opam`, `repo` and the client's own files are written in. Follows opam-file-format
// (https://github.com/ocaml/opam-file-format, opamLexer.mll and opamBaseParser.mly): whatever it takes is taken here,
// and read the same. What a field means is for others (package.hpp).

#include "base/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::opam {

/// Both from 1, the column in bytes.
struct Place {
  std::uint32_t line = 1, column = 1;
};

/// One value. What the text and the children are depends on the kind.
struct Value {
  enum class Kind : std::uint8_t {
    boolean,          ///< text: "true" or "false"
    integer,          ///< text: in decimal
    string,           ///< text: with escapes resolved, any bytes
    ident,            ///< text
    list,             ///< [ … ]
    group,            ///< ( … )
    option,           ///< first child { others }
    all_of,           ///< children joined by &, two or more
    any_of,           ///< children joined by |, two or more
    relation,         ///< child, text: operator ("~" is told as ">="), child
    prefix_relation,  ///< text: operator, child
    update,           ///< child, text: "=", "+=", "=+", "=+=", ":=", "=:", child
    prefix,           ///< text: "!" or "?", child
  };
  Kind kind = Kind::boolean;
  Place place;
  std::string text;
  std::vector<Value> children;

  bool is(Kind other) const { return kind == other; }
};

/// `name: value`, or `kind "name" { items }`.
struct Item {
  Place place;
  std::string name;  ///< of a field; the kind of a section
  bool is_section = false;
  Value value;  ///< of a field
  bool has_section_name = false;
  std::string section_name;
  std::vector<Item> items;  ///< of a section
};

constexpr std::size_t file_bytes_max = 4U << 20;
constexpr unsigned nesting_max = 300;

/// Failure::invalid, "path:line:column: what is wrong", where it is none; too_large past file_bytes_max or where values
/// or sections lie within each other more than nesting_max deep. A field or section may be there twice (opam takes the
/// first and complains). As the official parser does, takes a file of a newer `opam-version` that it cannot read for
/// one that has that field and an empty section named "#".
Result<std::vector<Item>> parse_file(std::string_view text, std::string_view path);

/// The first field of that name, if any.
const Value* find_field(std::span<const Item> items, std::string_view name);

/// As opam writes it in a file: of a string with escapes and quotes. One line, however long.
std::string to_text(const Value& value);
std::string quoted(std::string_view string);

}  // namespace slipway::opam
