#include "http/conditional.hpp"

#include "http/date.hpp"

#include <algorithm>
#include <array>

namespace slipway::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Calls `each` for the elements of a comma-separated list, until it returns true; whether it did. Commas within
/// quotation marks are text.
template <typename Each>
bool any_of_list(std::string_view list, const Each& each) {
  while (!list.empty()) {
    bool quoted = false;
    std::size_t end = 0;
    while (end < list.size() && (quoted || list[end] != ',')) quoted = (list[end++] == '"') != quoted;
    if (each(trimmed(list.substr(0, end)))) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

/// True if `list` names `etag`. A weak one names it too where only equal content is asked for (RFC 9110 §8.8.3.2).
bool names(std::string_view list, std::string_view etag, bool weak_counts) {
  return any_of_list(list, [&](std::string_view element) {
    if (element == "*") return true;
    if (weak_counts && element.starts_with("W/")) element.remove_prefix(2);
    return element == etag;
  });
}

bool is_date_of(std::string_view field, const Validators& validators) {
  return validators.modified && field == http_date(*validators.modified);
}

/// In thousandths: "0.5" is 500; anything that is no weight is 1000.
int weight_of(std::string_view parameters) {
  const auto at = parameters.find("q=");
  if (at == parameters.npos) return 1000;
  const auto text = trimmed(parameters.substr(at + 2));
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 1000;
  int out = (text[0] - '0') * 1000, unit = 100;
  for (std::size_t i = 2; i < std::min<std::size_t>(text.size(), 5); ++i, unit /= 10)
    if (text[i] >= '0' && text[i] <= '9') out += (text[i] - '0') * unit;
  return std::min(out, 1000);
}

/// The weight that a list gives to a coding, by name or by "*"; nothing where it names neither.
std::optional<int> weight_in(std::string_view accept_encoding, std::string_view coding) {
  std::optional<int> named, any;
  any_of_list(accept_encoding, [&](std::string_view element) {
    const auto semicolon = element.find(';');
    const auto name = trimmed(element.substr(0, semicolon));
    const auto weight = weight_of(semicolon == element.npos ? std::string_view() : element.substr(semicolon));
    if (equal_ignoring_case(name, coding) || (coding == "gzip" && equal_ignoring_case(name, "x-gzip"))) named = weight;
    if (name == "*") any = weight;
    return false;
  });
  return named ? named : any;
}

}  // namespace

void add_validators(Headers& headers, const Validators& validators) {
  headers.add("ETag", validators.etag);
  if (validators.modified) headers.add("Last-Modified", http_date(*validators.modified));
}

Precondition check_preconditions(const Headers& request, const Validators& validators) {
  if (const auto match = request.combined("If-Match"); !match.empty() && !names(match, validators.etag, false))
    return Precondition::failed;
  if (const auto none = request.combined("If-None-Match"); !none.empty())
    return names(none, validators.etag, true) ? Precondition::not_modified : Precondition::proceed;
  return is_date_of(request.get("If-Modified-Since"), validators) ? Precondition::not_modified : Precondition::proceed;
}

bool has_write_condition(const Headers& request) { return request.has("If-Match") || request.has("If-None-Match"); }

bool may_change(const Headers& request, const std::string& etag) {
  const bool is_there = !etag.empty();
  if (request.has("If-Match")) return is_there && names(request.combined("If-Match"), etag, false);
  return !is_there || !request.has("If-None-Match") || !names(request.combined("If-None-Match"), etag, true);
}

std::string_view applicable_range(const Headers& request, const Validators& validators) {
  const auto condition = trimmed(request.get("If-Range"));
  const bool applies = condition.empty() || condition == validators.etag || is_date_of(condition, validators);
  return applies ? request.get("Range") : std::string_view();
}

std::optional<std::size_t> choose_coding(std::string_view accept_encoding, std::span<const std::string_view> offered) {
  if (accept_encoding.empty()) return std::nullopt;
  // Content as it is may be had unless it is excluded; something better than nothing is preferred.
  std::optional<std::size_t> out;
  int best = 0;
  for (std::size_t i = 0; i < offered.size(); ++i) {
    const auto weight = weight_in(accept_encoding, offered[i]).value_or(0);
    if (weight <= best) continue;
    out = i;
    best = weight;
  }
  const auto identity = weight_in(accept_encoding, "identity");
  return out && identity && *identity > best ? std::nullopt : out;
}

}  // namespace slipway::http
