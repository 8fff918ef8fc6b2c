#pragma once
// Trees served as web sites. Each request is answered from one snapshot, which X-Slipway-Snapshot names:
//
//   /NAME/path             the channel `live` of the repository NAME, or as the configuration says (places.hpp)
//   /NAME/@sha256:…/path   any snapshot that the repository has
//
// Which file answers a path, pages.hpp tells; rules of the tree's own come before it (redirects.hpp) and after
// (header_rules.hpp).

#include "access/access.hpp"
#include "http/conditional.hpp"
#include "publish/check.hpp"
#include "publish/pages.hpp"
#include "publish/places.hpp"
#include "publish/view.hpp"

namespace slipway::publish {

struct SiteOptions {
  std::vector<Mount> mounts;
  bool by_name = true;                  ///< each repository NAME is also a site at /NAME/
  std::size_t cache_bytes = 64U << 20;  ///< of memory, for what trees are made of
  /// The view of a repository that has one; null for others. Views outlive the sites.
  std::function<View*(const std::string& repository)> view_of = [](const std::string&) { return nullptr; };
};

/// Safe to call from any thread. Everything it is given outlives it.
class Sites {
public:
  Sites(catalog::Catalog& catalog, blob::BlobStore& store, access::Access& access, const Clock& clock,
        SiteOptions options);

  /// Answers every path that nobody else does.
  http::Answer handle(http::Request& request);
  /// What the sites are made of.
  Trees& trees() { return m_trees; }
  /// As publish::check_manifest().
  Result<> check_pushed(const std::string& repository, const catalog::NewManifest& manifest) {
    return check_manifest(m_trees, repository, manifest);
  }

private:
  /// A request whose site is found and whose caller may read it.
  struct Visit {
    const http::Request& request;
    const Place& place;
    const OpenTree& tree;
    bool is_public = false;

    /// What rules and pages are asked for.
    std::string_view path() const { return place.path.empty() ? "/" : std::string_view(place.path); }
  };

  std::optional<http::Response> check(http::Request& request, const std::string& repository);
  http::Response answer(const Visit& visit);
  http::Response follow(const Visit& visit, const Redirect& rule);
  http::Response send_elsewhere(const Visit& visit, int status, const std::string& target, bool takes_query);
  http::Response send_missing(const Visit& visit);
  http::Response send_folder(const Visit& visit);
  http::Response send_file(const Visit& visit, const FoundFile& found, int status);
  /// The same with status 200: as the request's conditions and range say.
  http::Response send_page(const Visit& visit, const FoundFile& found);
  http::Response send_as_asked(const Visit& visit, Representation&& bytes);
  /// What a request for a file gets: the file, or a variant of it.
  Result<Representation> represent(const Visit& visit, const File& file);
  /// The answer with a part of it, and with what tells of it.
  http::Response send_part(const Visit& visit, Representation&& bytes, int status, ByteRange part);

  catalog::Catalog& m_catalog;
  access::Access& m_access;
  const Clock& m_clock;
  const SiteOptions m_options;
  Places m_places;
  Trees m_trees;
};

}  // namespace slipway::publish
