// Names and paths of the distribution spec: what is accepted is what the spec's own expressions accept, and a path's
// parts make up the path again.
//
// Input: a byte whose lowest bit is the trailing slash, then the path below /v2/.

#include "input.hpp"
#include "oci/names.hpp"

#include <regex>

using namespace slipway;
using oci::Resource;

namespace {

constexpr std::size_t regex_bytes_max = 128;  // std::regex recurses for every character

bool matches_name(const std::string& text) {
  static const std::regex name("[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*",
                               std::regex::ECMAScript | std::regex::optimize);
  return std::regex_match(text, name);
}

bool matches_tag(const std::string& text) {
  static const std::regex tag("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", std::regex::ECMAScript | std::regex::optimize);
  return std::regex_match(text, tag);
}

void check_name(std::string_view text) {
  const bool is_name = oci::is_repository_name(text);
  const bool is_tag = oci::is_tag(text);
  SLIPWAY_INVARIANT(!is_name || (!text.empty() && text.size() <= 255));
  SLIPWAY_INVARIANT(!is_tag || (!text.empty() && text.size() <= 128));
  if (text.size() > regex_bytes_max) return;
  SLIPWAY_INVARIANT(is_name == matches_name(std::string(text)));
  SLIPWAY_INVARIANT(is_tag == matches_tag(std::string(text)));
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    out.emplace_back(path.substr(0, slash));
    path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  }
  return out;
}

std::string join(const std::vector<std::string>& segments) {
  std::string out;
  for (const auto& segment : segments)
    out.append(out.empty() && &segment == &segments.front() ? "" : "/").append(segment);
  return out;
}

std::string join(const oci::Path& path) {
  switch (path.resource) {
  case Resource::base: return "";
  case Resource::token: return "token";
  case Resource::catalog: return "_catalog";
  case Resource::blob: return path.repository + "/blobs/" + path.last;
  case Resource::uploads: return path.repository + "/blobs/uploads";
  case Resource::upload: return path.repository + "/blobs/uploads/" + path.last;
  case Resource::manifest: return path.repository + "/manifests/" + path.last;
  case Resource::tags: return path.repository + "/tags/list";
  case Resource::referrers: return path.repository + "/referrers/" + path.last;
  case Resource::missing: return path.repository + "/_slipway/missing";
  case Resource::batch: return path.repository + "/_slipway/blobs";
  case Resource::unknown: break;
  }
  SLIPWAY_INVARIANT(path.repository.empty() && path.last.empty());
  return "";
}

/// Every path that a client builds for a repository leads back to it, whatever its parts are called.
void check_ways_to(const std::string& repository) {
  const auto leads_to = [&](const std::string& below, Resource resource, std::string_view last) {
    const auto path = oci::parse_path(split(repository + below), false);
    return path.resource == resource && path.repository == repository && path.last == last;
  };
  SLIPWAY_INVARIANT(leads_to("/blobs/sha256:0", Resource::blob, "sha256:0"));
  SLIPWAY_INVARIANT(leads_to("/blobs/uploads", Resource::uploads, ""));
  SLIPWAY_INVARIANT(leads_to("/blobs/uploads/list", Resource::upload, "list"));
  SLIPWAY_INVARIANT(leads_to("/_slipway/missing", Resource::missing, ""));
  SLIPWAY_INVARIANT(leads_to("/_slipway/blobs", Resource::batch, ""));
  SLIPWAY_INVARIANT(leads_to("/manifests/uploads", Resource::manifest, "uploads"));
  SLIPWAY_INVARIANT(leads_to("/tags/list", Resource::tags, ""));
  SLIPWAY_INVARIANT(leads_to("/referrers/sha256:0", Resource::referrers, "sha256:0"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const bool trailing_slash = input.number<std::uint8_t>() & 1;
  const auto text = input.rest();
  const auto segments = split(text);

  check_name(text);
  for (const auto& segment : segments) check_name(segment);
  if (oci::is_repository_name(text)) check_ways_to(std::string(text));

  const auto path = oci::parse_path(segments, trailing_slash);
  SLIPWAY_INVARIANT((path.resource == Resource::base) == segments.empty());
  if (trailing_slash)
    SLIPWAY_INVARIANT(path.resource == Resource::base || path.resource == Resource::uploads ||
                      path.resource == Resource::unknown);
  const auto joined = join(path);
  if (path.resource != Resource::unknown) SLIPWAY_INVARIANT(joined == join(segments));
  return 0;
}
