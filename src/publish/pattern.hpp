#pragma once
// Path patterns of `_redirects` and `_headers`, as Netlify and Cloudflare Pages write them:
// https://docs.netlify.com/routing/redirects/ https://developers.cloudflare.com/pages/configuration/redirects/
//
//   /news/:year/:slug   a placeholder is one part of the path, or what is left of it beside other text
//   /blog/*             one splat, which is anything, slashes too; where it is a whole last part, so is its absence:
//   /blog
//
// A slash at the end of either, pattern or path, makes no difference.

#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::publish {

/// What a path had in the place of a pattern's placeholders and of its splat.
struct Capture {
  std::string name;  ///< "splat" of a splat
  std::string value;
};
using Captures = std::vector<Capture>;

class Pattern {
public:
  /// Failure::invalid, saying what is wrong with it.
  static Result<Pattern> parse(std::string_view text);

  /// Takes time in proportion to the two lengths. `path` begins with '/', and is decoded.
  std::optional<Captures> match(std::string_view path) const;
  /// No placeholder and no splat: it matches its own text, with and without a slash at the end.
  bool is_plain() const { return m_parts.empty() && !m_has_splat; }
  const std::string& plain() const { return m_head; }
  /// Of its placeholders and its splat.
  std::vector<std::string> names() const;
  /// A path that it matches, with `captures` for all of names().
  std::string example(const Captures& captures) const;

private:
  struct Part {  // a placeholder, and the text that follows it
    std::string name;
    std::string text;
  };

  std::string m_head;  // up to the first placeholder, or the splat
  std::vector<Part> m_parts;
  bool m_has_splat = false;
  std::string m_tail;  // after the splat
};

/// `text` with each `:name` replaced by what was captured, percent-encoded but for slashes.
std::string substitute(std::string_view text, const Captures& captures);
/// The names of all `:name` in `text`.
std::vector<std::string> placeholders_in(std::string_view text);

}  // namespace slipway::publish
