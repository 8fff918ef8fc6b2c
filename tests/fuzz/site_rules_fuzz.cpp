// _redirects and _headers, and paths that meet them: no rule, whoever wrote it, makes an answer with a broken header,
// nor leads a visitor to a host that the visitor named.
//
// Input: a line that is a path, then the rules.

#include "http/target.hpp"
#include "input.hpp"
#include "publish/header_rules.hpp"
#include "publish/redirects.hpp"

#include <algorithm>

using namespace slipway;
using namespace slipway::publish;

namespace {

bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7F); });
}

void check_redirects(std::string_view rules, const http::Target& target) {
  const auto redirects = Redirects::parse(rules);
  if (!redirects) return;
  static_cast<void>(redirects->check([](std::string_view path) { return path == "/index.html"; }));
  for (const bool forced : {false, true}) {
    const auto found = redirects->match(target.path(), target.query, forced);
    if (!found) continue;
    SLIPWAY_INVARIANT(is_field_value(found->target));
    SLIPWAY_INVARIANT(!found->target.starts_with("//"));
    SLIPWAY_INVARIANT(found->target.starts_with('/') || !found->is_rewrite());
  }
}

void check_headers(std::string_view rules, const http::Target& target) {
  const auto parsed = HeaderRules::parse(rules);
  if (!parsed) return;
  http::Headers headers;
  headers.add("Cache-Control", "no-cache");
  parsed->apply(target.path(), headers);
  for (const auto& [name, value] : headers.all()) SLIPWAY_INVARIANT(!name.empty() && is_field_value(value));
  SLIPWAY_INVARIANT(!headers.has("Content-Length"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto target = http::parse_target(input.line());
  if (!target || target->path().empty()) return 0;
  check_redirects(input.rest(), *target);
  check_headers(input.rest(), *target);
  return 0;
}
