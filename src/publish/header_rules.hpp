#pragma once
// The rules of a tree's `_headers`, as Netlify and Cloudflare Pages read them:
// https://docs.netlify.com/routing/headers/ https://developers.cloudflare.com/pages/configuration/headers/
//
//   /assets/*
//     Cache-Control: public, max-age=31536000, immutable
//     ! X-Frame-Options                     # not this one, whatever rules before said (Cloudflare's)
//
// All rules that match count, in order: they replace what is sent by default, and what several of them say of one
// header is joined by ", " (each Set-Cookie stays a field of its own). A value may have the path's `:splat` and
// placeholders.

#include "http/message.hpp"
#include "publish/pattern.hpp"

namespace slipway::publish {

inline constexpr std::size_t header_rules_bytes_max = 256U << 10;
inline constexpr std::size_t header_line_max = 2000;  ///< Cloudflare's limits, both
inline constexpr std::size_t header_rules_max = 100;

/// Immutable: any thread may ask.
class HeaderRules {
public:
  /// Failure::invalid as "line N: …" for the first line that cannot be; too_large past a limit.
  static Result<HeaderRules> parse(std::string_view text);

  /// Changes an answer's headers as all rules say that match.
  void apply(std::string_view path, http::Headers& headers) const;

  bool empty() const { return m_rules.empty(); }

private:
  struct Field {
    std::string name;
    std::string key;                   // the name in small letters
    std::optional<std::string> value;  // absent: not to be sent
  };
  struct Rule {
    Pattern path;
    std::vector<Field> fields;
  };

  static Result<Field> parse_field(std::string_view text);

  std::vector<Rule> m_rules;
};

}  // namespace slipway::publish
