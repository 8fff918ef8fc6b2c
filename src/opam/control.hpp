#pragma once
// What administrators ask of the opam repositories of a server.

#include "admin/opam.hpp"
#include "opam/repositories.hpp"

namespace slipway::opam {

/// Safe to call from any thread. What it is given outlives it; `trees` are what the repositories are read with.
class Control final : public admin::OpamControl {
public:
  Control(Repositories& repositories, catalog::Catalog& catalog, publish::Trees& trees, const Clock& clock)
      : m_repositories(repositories), m_catalog(catalog), m_trees(trees), m_clock(clock) {}

  Result<Json> list() override;
  Result<Json> add(const admin::OpamPlace& place, const admin::OpamSource& source, const std::string& who) override;
  Result<Json> remove(const admin::OpamPlace& place, const std::string& who) override;
  Result<Json> status(const admin::OpamPlace& place) override;
  Result<Json> sync(const admin::OpamPlace& place) override;
  Result<Json> check(const admin::OpamPlace& place) override;
  Result<Json> sources(const admin::OpamPlace& place, const std::string& state, const std::string& last,
                       std::size_t limit) override;
  Result<Json> explain(const admin::OpamPlace& place, const std::string& package) override;
  Result<Json> keep(const std::string& repository, const std::string& digest,
                    const std::vector<std::string>& checksums) override;

private:
  Result<Json> status_of(const KeptPlace& kept);
  Result<PackageList> packages(const SourcePlace& place);
  Result<Json> describe_source(const SourcePlace& place, const Source& source, const RepositoryState& state);

  Repositories& m_repositories;
  catalog::Catalog& m_catalog;
  publish::Trees& m_trees;
  const Clock& m_clock;
};

}  // namespace slipway::opam
