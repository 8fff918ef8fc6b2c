#pragma once
// The words of an opam file (opamLexer.mll of opam-file-format).

#include "opam/syntax.hpp"

namespace slipway::opam {

struct Token {
  enum class Kind : std::uint8_t {
    end,
    string,
    ident,
    boolean,
    integer,
    relation,  // = != < <= > >= ~
    update,    // += := =+ =: =+=
    prefix,    // ! ?
    mark,      // one of : { } [ ] ( ) & |
  };
  Kind kind = Kind::end;
  Place place;
  std::string text;

  bool is(char mark) const { return kind == Kind::mark && text[0] == mark; }
};

/// Reads one token after the other. `text` must outlive it.
class Lexer {
public:
  explicit Lexer(std::string_view text) : m_rest(text) {}

  /// Again and again `end` at the end. Failure::invalid with "line:column: what is wrong".
  Result<Token> next();
  /// Where it has come to.
  Place place() const { return m_place; }

private:
  Result<> skip_blanks();
  Result<> skip_comment();
  Result<Token> read_string(std::size_t quotes);
  Result<> read_escape(std::string& out);
  Result<Token> read_word();
  Token word(Token::Kind kind, std::size_t size);
  void advance(std::size_t bytes);
  std::unexpected<Error> wrong(Place place, std::string_view what) const;

  std::string_view m_rest;
  Place m_place;
};

}  // namespace slipway::opam
