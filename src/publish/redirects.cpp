#include "publish/redirects.hpp"

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace slipway::publish {
namespace {

constexpr std::size_t hops_max = 20;  // what browsers follow
constexpr std::array statuses = {200, 301, 302, 303, 307, 308, 404, 410};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto begin = line.find_first_not_of(" \t\r");
    if (begin == line.npos || line[begin] == '#') return out;
    line.remove_prefix(begin);
    const auto end = std::min(line.find_first_of(" \t\r"), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

bool is_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }
bool is_target(std::string_view text) { return text.starts_with('/') || is_url(text); }

/// Only what may stand in a Location field as it is.
bool is_printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

std::string_view without_slash_at_end(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

struct Status {
  int number = 301;
  bool is_forced = false;
};

std::optional<Status> status_in(std::string_view text) {
  Status out;
  if (text.ends_with('!')) {
    out.is_forced = true;
    text.remove_suffix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.number);
  if (error != std::errc() || end != text.data() + text.size() || std::ranges::count(statuses, out.number) == 0)
    return std::nullopt;
  return out;
}

Result<Query::value_type> parameter_in(std::string_view word) {
  const auto equals = word.find('=');
  auto name = http::percent_decode(word.substr(0, equals));
  auto value = http::percent_decode(word.substr(equals + 1));
  if (!name || !value) return fail(Failure::invalid, fmt::format("'{}' is not percent-encoded", printable(word)));
  return Query::value_type{std::move(*name), std::move(*value)};
}

/// The captures of a rule's parameters, unless the request's query is another.
bool match_query(const Query& wanted, const Query& query, Captures& captures) {
  for (const auto& [name, value] : wanted) {
    const auto found = std::ranges::find(query, name, &Query::value_type::first);
    if (found == query.end()) return false;
    if (value.starts_with(':'))
      captures.push_back({value.substr(1), found->second});
    else if (value != found->second)
      return false;
  }
  return true;
}

}  // namespace

Result<std::optional<Redirects::Rule>> Redirects::parse_line(std::string_view line) {
  if (line.size() > redirect_line_max)
    return fail(Failure::too_large, fmt::format("more than {} bytes", redirect_line_max));
  const auto words = words_of(line);
  if (words.empty()) return std::nullopt;
  if (!std::ranges::all_of(words, is_utf8)) return fail(Failure::invalid, "this is not UTF-8");
  if (is_url(words[0])) return fail(Failure::invalid, "rules are about paths of this tree: write '/path', not an URL");
  Rule out;
  TRY_ASSIGN(out.from, Pattern::parse(words[0]));
  auto known = out.from.names();
  std::size_t at = 1;
  for (; at < words.size() && !is_target(words[at]) && words[at].find('=') != words[at].npos; ++at) {
    auto parameter = parameter_in(words[at]);
    if (!parameter) return std::unexpected(parameter.error());
    out.query.push_back(std::move(*parameter));
    if (out.query.back().second.starts_with(':')) known.push_back(out.query.back().second.substr(1));
  }
  if (at == words.size() || !is_target(words[at]))
    return fail(Failure::invalid, "where to? A rule is '/from /to', or '/from /to 302'");
  out.to = words[at++];
  if (!is_printable_ascii(out.to)) return fail(Failure::invalid, "the target has to be percent-encoded");
  for (const auto& name : placeholders_in(out.to))
    if (std::ranges::count(known, name) == 0)
      return fail(Failure::invalid, fmt::format("':{}' of the target is not in '{}'", name, words[0]));
  if (at < words.size()) {
    const auto status = status_in(words[at]);
    if (!status)
      return fail(Failure::invalid,
                  fmt::format("'{}' is no status of a rule: 200, 301, 302, 303, 307, 308, 404 or 410, "
                              "each with '!' where it counts also for files that are there",
                              printable(words[at])));
    out.status = status->number;
    out.is_forced = status->is_forced;
    ++at;
  }
  if (at < words.size())
    return fail(Failure::invalid,
                fmt::format("'{}': conditions are not supported, every visitor gets the same", printable(words[at])));
  const bool is_rewrite = Redirect{.status = out.status, .target = {}}.is_rewrite();
  if (is_rewrite && is_url(out.to))
    return fail(Failure::invalid, "content of other sites is not fetched: redirect to it, with 302 say");
  return out;
}

Result<Redirects> Redirects::parse(std::string_view text) {
  if (text.size() > redirects_bytes_max)
    return fail(Failure::too_large, fmt::format("more than {}", human_size(redirects_bytes_max)));
  Redirects out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto rule = parse_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!rule) return std::unexpected(rule.error().during(fmt::format("line {}", number)));
    if (!*rule) continue;
    (*rule)->line = number;
    if ((*rule)->from.is_plain())
      out.m_plain[(*rule)->from.plain()].push_back(out.m_rules.size());
    else
      out.m_patterns.push_back(out.m_rules.size());
    out.m_rules.push_back(std::move(**rule));
    if (out.m_patterns.size() > pattern_redirects_max ||
        out.m_rules.size() - out.m_patterns.size() > plain_redirects_max)
      return fail(Failure::too_large, fmt::format("line {}: more than {} rules with '*' or ':name', or {} without",
                                                  number, pattern_redirects_max, plain_redirects_max));
  }
  return out;
}

std::optional<Redirect> Redirects::apply(const Rule& rule, std::string_view path, const Query& query) {
  auto captures = rule.from.match(path);
  if (!captures || !match_query(rule.query, query, *captures)) return std::nullopt;
  Redirect out{.status = rule.status,
               .target = {},
               .takes_query = rule.to.find('?') == std::string::npos,
               .is_forced = rule.is_forced,
               .line = rule.line};
  out.target = substitute(rule.to, *captures);
  // What a visitor writes into the path must not make another host of it: '//evil.example' is one.
  if (!is_url(rule.to)) {
    const auto begin = std::min(out.target.find_first_not_of('/'), out.target.size());
    out.target.replace(0, begin, "/");
  }
  return out;
}

std::optional<Redirect> Redirects::match(std::string_view path, const Query& query, bool forced_only) const {
  const auto plain = m_plain.find(std::string(without_slash_at_end(path)));
  static const std::vector<std::size_t> none;
  const auto& candidates = plain == m_plain.end() ? none : plain->second;
  // Both lists are in the rules' order: walk them together.
  auto one = candidates.begin();
  auto other = m_patterns.begin();
  while (one != candidates.end() || other != m_patterns.end()) {
    const bool takes_one = other == m_patterns.end() || (one != candidates.end() && *one < *other);
    const auto& rule = m_rules[takes_one ? *one++ : *other++];
    if (forced_only && !rule.is_forced) continue;
    if (auto out = apply(rule, path, query)) return out;
  }
  return std::nullopt;
}

/// Follows redirects from `path`, which `rule` matches, as a browser would.
Result<> Redirects::check_circle(const Rule& rule, std::string path,
                                 const std::function<bool(std::string_view)>& has_page) const {
  for (std::size_t hops = 0; hops < hops_max; ++hops) {
    const auto next = match(path, rule.query, has_page(path));
    if (!next || next->is_rewrite() || is_url(next->target)) return {};
    const auto decoded = http::percent_decode(next->target.substr(0, next->target.find_first_of("?#")));
    if (!decoded) return std::unexpected(decoded.error().during(fmt::format("line {}", rule.line)));
    path = *decoded;
  }
  return fail(Failure::invalid,
              fmt::format("line {}: this leads round in a circle, by way of '{}' (a '/' at the end of a "
                          "path makes no difference)",
                          rule.line, printable(path)));
}

Result<> Redirects::check(const std::function<bool(std::string_view)>& has_page) const {
  for (const auto& rule : m_rules) {
    const bool is_rewrite = Redirect{.status = rule.status, .target = {}}.is_rewrite();
    if (is_rewrite && placeholders_in(rule.to).empty()) {
      const auto path = http::percent_decode(rule.to.substr(0, rule.to.find_first_of("?#")));
      if (!path || !has_page(*path))
        return fail(Failure::invalid, fmt::format("line {}: there is no '{}'", rule.line, printable(rule.to)));
    }
    if (is_rewrite || is_url(rule.to)) continue;
    // Whatever a visitor writes there that is no file: something, and nothing.
    constexpr const char* something = "x0x0x0";
    for (const std::string splat : {something, ""}) {
      Captures some;
      for (const auto& name : rule.from.names()) some.push_back({name, name == "splat" ? splat : something});
      TRY(check_circle(rule, rule.from.example(some), has_page));
    }
  }
  return {};
}

}  // namespace slipway::publish
