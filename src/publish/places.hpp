#pragma once
// Which site a request is for, and which path of it.

#include "http/message.hpp"
#include "publish/mount.hpp"
#include "publish/site_names.hpp"

#include <optional>

namespace slipway::publish {

struct Place {
  std::string repository;
  std::string channel;
  bool listing = false;
  std::string base;                ///< where it is served: "" or "/a/b", or such a path with the snapshot's digest
  std::optional<Digest> snapshot;  ///< named by the path; else the channel's
  std::string path;                ///< of the site, decoded: begins with '/'; empty where not even that was asked for
};

/// Safe to call from any thread.
class Places {
public:
  /// `by_name`: each repository NAME is also a site at /NAME/. The catalog outlives this.
  Places(catalog::Catalog& catalog, std::vector<Mount> mounts, bool by_name);

  /// The site of the longest path; several slashes in the request's count as one. A host that has mounts of its own has
  /// no other sites: to a browser they would be one with them.
  std::optional<Place> find(const http::Request& request);

private:
  struct Site {
    Mount mount;
    std::vector<std::string> parts;  // of its path
  };

  const Site* longest(const std::string& host, const std::vector<std::string>& parts) const;

  std::vector<Site> m_sites;
  const bool m_by_name;
  SiteNames m_names;
};

}  // namespace slipway::publish
