#include "publish/places.hpp"

#include "base/text.hpp"
#include "publish/channels.hpp"
#include "publish/paths.hpp"

#include <algorithm>
#include <span>

namespace slipway::publish {
namespace {

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    if (slash > 0) out.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return out;
}

/// For clients that join paths carelessly (opam 2.1.2).
std::vector<std::string> without_empty(const std::vector<std::string>& segments) {
  std::vector<std::string> out;
  std::ranges::copy_if(segments, std::back_inserter(out), [](const std::string& part) { return !part.empty(); });
  return out;
}

std::string joined(std::span<const std::string> parts) {
  std::string out;
  for (const auto& part : parts) out.append("/").append(part);
  return out;
}

/// "example.org" of "Example.org:8080"; an IPv6 address keeps its brackets.
std::string host_of(std::string_view host) {
  const auto colon = host.rfind(':');
  if (colon != host.npos && host.find(']', colon) == host.npos) host = host.substr(0, colon);
  return in_small_letters(host);
}

bool begins_with(const std::vector<std::string>& parts, const std::vector<std::string>& with) {
  return with.size() <= parts.size() && std::ranges::equal(with, std::span(parts).first(with.size()));
}

}  // namespace

Places::Places(catalog::Catalog& catalog, std::vector<Mount> mounts, bool by_name)
    : m_by_name(by_name), m_names(catalog) {
  for (auto& mount : mounts) {
    auto parts = parts_of(mount.path);
    m_sites.push_back({std::move(mount), std::move(parts)});
  }
}

const Places::Site* Places::longest(const std::string& host, const std::vector<std::string>& parts) const {
  const Site* out = nullptr;
  for (const auto& site : m_sites)
    if (site.mount.host == host && begins_with(parts, site.parts) && (!out || site.parts.size() > out->parts.size()))
      out = &site;
  return out;
}

std::optional<Place> Places::find(const http::Request& request) {
  const auto parts = without_empty(request.target.segments);
  const auto host = host_of(request.host);
  const bool has_own =
      !host.empty() && std::ranges::any_of(m_sites, [&](const Site& site) { return site.mount.host == host; });
  const auto* mounted = longest(has_own ? host : std::string(), parts);
  const auto named = m_by_name && !has_own ? m_names.match(parts) : 0;

  Place out;
  std::size_t used = 0;
  if (mounted && mounted->parts.size() >= named) {
    used = mounted->parts.size();
    out.repository = mounted->mount.repository;
    out.channel = mounted->mount.channel;
    out.listing = mounted->mount.listing;
  } else if (named > 0) {
    used = named;
    out.repository = joined(std::span(parts).first(used)).substr(1);
    out.channel = live_channel;
  } else {
    return std::nullopt;
  }
  if (used < parts.size() && names_snapshot(parts[used])) {
    const auto digest = Digest::parse(parts[used].substr(1));
    if (!digest) return std::nullopt;  // no file begins so
    out.snapshot = *digest;
    ++used;
  }
  out.base = joined(std::span(parts).first(used));
  out.path = joined(std::span(parts).subspan(used));
  if (request.target.trailing_slash) out.path += '/';
  return out;
}

}  // namespace slipway::publish
