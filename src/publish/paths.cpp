#include "publish/paths.hpp"

#include "base/digest.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::publish {
namespace {

constexpr std::size_t part_bytes_max = 255;  // what file systems take

const char* objection_to_part(std::string_view part) {
  if (part.empty()) return "has an empty part";
  if (part == "." || part == "..") return "has a part that is '.' or '..'";
  if (part.size() > part_bytes_max) return "has a part of more than 255 bytes";
  return nullptr;
}

const char* objection_to(std::string_view path) {
  if (path.empty()) return "is empty";
  if (path.size() > path_bytes_max) return "has more than 1,024 bytes";
  if (!is_utf8(path)) return "is not UTF-8";
  if (std::ranges::any_of(path, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }))
    return "has a control character";
  if (path.find('\\') != path.npos) return "has a backslash";
  if (path.front() == '/') return "begins with '/'";
  if (names_snapshot(path)) return "begins like the address of a snapshot";
  for (auto rest = path;;) {
    const auto slash = rest.find('/');
    if (const auto* objection = objection_to_part(rest.substr(0, slash))) return objection;
    if (slash == rest.npos) return nullptr;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

bool names_snapshot(std::string_view part) {
  const auto colon = part.find(':');
  return part.starts_with('@') && colon != part.npos && algorithm_named(part.substr(1, colon - 1)).has_value();
}

Result<> check_path(std::string_view path) {
  if (const auto* objection = objection_to(path))
    return fail(Failure::invalid, fmt::format("the path '{}' {}", printable(path), objection));
  return {};
}

}  // namespace slipway::publish
