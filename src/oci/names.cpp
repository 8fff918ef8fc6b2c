#include "oci/names.hpp"

#include <algorithm>

namespace slipway::oci {
namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_word(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

/// One '/'-separated part: runs of [a-z0-9] with '.', '_', '__' or any number of '-' between them.
bool is_name_part(std::string_view part) {
  if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back())) return false;
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower_or_digit(part[i])) {
      ++i;
      continue;
    }
    const auto end = std::min(part.find_first_not_of(part[i], i), part.size());
    const auto run = end - i;
    const bool allowed = (part[i] == '.' && run == 1) || (part[i] == '_' && run <= 2) || part[i] == '-';
    if (!allowed || !is_lower_or_digit(part[end])) return false;
    i = end;
  }
  return true;
}

}  // namespace

bool is_repository_name(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  for (;;) {
    const auto slash = name.find('/');
    if (!is_name_part(name.substr(0, slash))) return false;
    if (slash == name.npos) return true;
    name.remove_prefix(slash + 1);
  }
}

bool is_tag(std::string_view name) {
  if (name.empty() || name.size() > 128 || !is_word(name.front())) return false;
  return std::ranges::all_of(name, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

static std::string join(const std::vector<std::string>& segments, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out.append(i ? "/" : "").append(segments[i]);
  return out;
}

Path parse_path(const std::vector<std::string>& segments, bool trailing_slash) {
  const auto n = segments.size();
  const auto at = [&](std::size_t from_right) -> const std::string& { return segments[n - from_right]; };
  if (n == 0) return {Resource::base, {}, {}};
  if (n >= 3 && at(2) == "blobs" && at(1) == "uploads") return {Resource::uploads, join(segments, n - 2), {}};
  if (trailing_slash) return {};
  if (n == 1 && at(1) == "token") return {Resource::token, {}, {}};
  if (n == 1 && at(1) == "_catalog") return {Resource::catalog, {}, {}};
  if (n >= 3 && at(2) == "_slipway" && at(1) == "missing") return {Resource::missing, join(segments, n - 2), {}};
  if (n >= 3 && at(2) == "_slipway" && at(1) == "blobs") return {Resource::batch, join(segments, n - 2), {}};
  if (n >= 4 && at(3) == "blobs" && at(2) == "uploads") return {Resource::upload, join(segments, n - 3), at(1)};
  if (n >= 3 && at(2) == "blobs") return {Resource::blob, join(segments, n - 2), at(1)};
  if (n >= 3 && at(2) == "manifests") return {Resource::manifest, join(segments, n - 2), at(1)};
  if (n >= 3 && at(2) == "referrers") return {Resource::referrers, join(segments, n - 2), at(1)};
  if (n >= 3 && at(2) == "tags" && at(1) == "list") return {Resource::tags, join(segments, n - 2), {}};
  return {};
}

}  // namespace slipway::oci
