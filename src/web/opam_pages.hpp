#pragma once
// The pages of an opam repository, beside what its clients fetch. Each has an `index.json` with what it shows.
//
//   /                               what there is, and what is new
//   /packages/?q=WORDS&page=N       all packages, or those that have the words
//   /packages/NAME/                 the newest version
//   /packages/NAME/NAME.VERSION/    any version
//   /status/                        what is live, what the git repository has, what is missing
//   /feed.xml                       what is new (Atom, RFC 4287)

#include "base/bounded_map.hpp"
#include "opam/repositories.hpp"
#include "web/package_index.hpp"

namespace slipway::web {

/// Safe to call from any thread. Everything it is given outlives it.
class OpamPages final : public publish::View {
public:
  OpamPages(opam::Repositories& repositories, catalog::Catalog& catalog, const Clock& clock)
      : m_repositories(repositories), m_catalog(catalog), m_clock(clock), m_pages(2000, 32U << 20) {}

  Result<std::optional<publish::Representation>> find(publish::Trees& trees, const publish::OpenTree& tree,
                                                      const publish::ViewRequest& request) override;

private:
  using Dates = std::map<std::string, Timestamp>;
  /// A snapshot's packages, and what else is known of them.
  struct Facts {
    std::string key;
    std::shared_ptr<const PackageIndex> index;
    std::shared_ptr<const Dates> dates;
    std::shared_ptr<const std::map<std::string, std::uint64_t>> downloads;  ///< by digest
    Steady read_at;                                                         ///< dates and downloads
  };
  struct Page {
    std::shared_ptr<const std::string> text;
    std::string etag;
    Steady made_at;
  };
  /// What a path is about, taken apart.
  struct Wish {
    enum class Kind { home, packages, package, status, feed } kind = Kind::home;
    bool is_json = false;
    std::string name, version;  ///< of a package; the version may be empty: the newest
    std::string to_home;        ///< "../" as often as it takes
  };

  static std::optional<Wish> wish_of(std::string_view path);
  Result<publish::Representation> represent(publish::Trees& trees, const publish::OpenTree& tree, const Wish& wish,
                                            const publish::ViewRequest& request);
  Result<std::string> render(publish::Trees& trees, const publish::OpenTree& tree, const Wish& wish,
                             const publish::ViewRequest& request);
  Result<Facts> facts_of(publish::Trees& trees, const publish::OpenTree& tree);

  Json home(const Facts& facts, const publish::OpenTree& tree, const publish::ViewRequest& request);
  Json packages(const Facts& facts, const publish::ViewRequest& request);
  Result<Json> package(const Facts& facts, publish::Trees& trees, const publish::OpenTree& tree, const Wish& wish);
  Result<Json> describe_sources(const Facts& facts, const std::string& repository, const opam::Package& package);
  Result<Json> status(const publish::OpenTree& tree);

  opam::Repositories& m_repositories;
  catalog::Catalog& m_catalog;
  const Clock& m_clock;
  std::mutex m_mutex;  // guards what follows
  std::list<Facts> m_facts;
  BoundedMap<std::string, Page> m_pages;
};

}  // namespace slipway::web
