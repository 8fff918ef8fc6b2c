#pragma once
// The rules of a tree's `_redirects`, in Netlify's reading (https://docs.netlify.com/routing/redirects/), of which
// Cloudflare Pages' is nearly a part:
//
//   /from [name=value | name=:placeholder]… /to [status][!]      # the rest of the line is a comment
//
// The first rule that matches counts. A file of that path is served instead, unless the status has a '!'. The status is
// 301 if it is not said; 302, 303, 307 and 308 redirect as well; 200, 404 and 410 answer with another file of the same
// tree. A redirect takes the request's query along where its target has none. Conditions (Country=…) and other sites'
// content (200 with an URL) are refused when a tree is published, as is what leads round in a circle.

#include "http/target.hpp"
#include "publish/pattern.hpp"

#include <functional>
#include <unordered_map>

namespace slipway::publish {

inline constexpr std::size_t redirects_bytes_max = 1U << 20;
inline constexpr std::size_t redirect_line_max = 1000;  ///< Cloudflare's limits, for these three
inline constexpr std::size_t plain_redirects_max = 2000;
inline constexpr std::size_t pattern_redirects_max = 100;

using http::Query;

/// What a rule makes of a request.
struct Redirect {
  int status = 301;
  std::string target;       ///< of a redirect: the URL, encoded, without the request's query; else the path of a file
  bool takes_query = true;  ///< the target has no query of its own
  bool is_forced = false;   ///< also where there is a file
  std::size_t line = 0;     ///< of its rule

  bool is_rewrite() const { return status == 200 || status == 404 || status == 410; }
};

/// Immutable: any thread may ask.
class Redirects {
public:
  /// Failure::invalid as "line N: …" for the first rule that cannot be; too_large past a limit.
  static Result<Redirects> parse(std::string_view text);

  /// What the first rule says that matches; with `forced_only`, of those that count also where there is a file.
  std::optional<Redirect> match(std::string_view path, const Query& query, bool forced_only) const;

  /// Failure::invalid as "line N: …" where a redirect leads round in a circle, or a rewrite to a file that is not
  /// there. `has_page` tells whether a path, which begins with '/', is one that a file answers.
  Result<> check(const std::function<bool(std::string_view path)>& has_page) const;

  bool empty() const { return m_rules.empty(); }

private:
  struct Rule {
    Pattern from;
    Query query;  // a value that begins with ':' is a placeholder
    std::string to;
    int status = 301;
    bool is_forced = false;
    std::size_t line = 0;
  };

  static Result<std::optional<Rule>> parse_line(std::string_view line);
  static std::optional<Redirect> apply(const Rule& rule, std::string_view path, const Query& query);
  Result<> check_circle(const Rule& rule, std::string path,
                        const std::function<bool(std::string_view)>& has_page) const;

  std::vector<Rule> m_rules;
  std::unordered_map<std::string, std::vector<std::size_t>> m_plain;  // by path: which, in order
  std::vector<std::size_t> m_patterns;                                // which have placeholders or a splat
};

}  // namespace slipway::publish
