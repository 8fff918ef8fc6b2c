#include "opam/repository_file.hpp"

#include "opam/package.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

constexpr const char* stamp = "stamp";
constexpr const char* mirrors = "archive-mirrors";
constexpr const char* our_cache = "cache";  // relative to the repository's own address

std::string field(std::string_view name, std::string_view value) { return fmt::format("{}: {}\n", name, value); }

std::string with_cache(const std::vector<std::string>& others) {
  if (std::ranges::find(others, our_cache) == others.end() && others.empty()) return quoted(our_cache);
  std::string out = "[" + quoted(our_cache);
  for (const auto& other : others)
    if (other != our_cache) out += " " + quoted(other);
  return out + "]";
}

}  // namespace

Result<std::string> published_repository_file(std::string_view text, std::string_view commit) {
  TRY_ASSIGN(const auto items, parse_file(text, "repo"));
  const auto is_ours = [](const Item& item) {
    return !item.is_section && (item.name == stamp || item.name == mirrors);
  };
  const auto ours = field(mirrors, with_cache(strings_of(find_field(items, mirrors)))) + field(stamp, quoted(commit));
  if (std::ranges::none_of(items, is_ours))
    return fmt::format("{}{}{}", text, text.empty() || text.ends_with('\n') ? "" : "\n", ours);
  std::string out;  // written anew: an old stamp must go
  for (const auto& item : items)
    if (!item.is_section && !is_ours(item)) out += field(item.name, to_text(item.value));
  return out + ours;
}

}  // namespace slipway::opam
