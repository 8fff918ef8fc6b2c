#pragma once
// The packages of a snapshot as people look for them: by name with their versions, by who needs them, by words.

#include "opam/packages.hpp"

#include <map>

namespace slipway::web {

/// A package with its versions.
struct NamedPackage {
  std::string name;
  std::vector<const opam::PackageEntry*> versions;  ///< the newest first, by opam's order
  std::vector<std::string> dependants;              ///< names of packages of which some version depends on it
  std::vector<std::string> optional_dependants;

  /// What is shown where no version is named: the newest that can be installed, else the newest.
  const opam::PackageEntry& latest() const;
};

class PackageIndex {
public:
  explicit PackageIndex(opam::PackageList packages);

  /// In byte order of their names.
  const std::map<std::string, NamedPackage, std::less<>>& all() const { return m_all; }
  const NamedPackage* find(std::string_view name) const;
  std::size_t versions() const { return m_versions; }
  /// Those that have all words (in small letters) in name, tags or synopsis of the latest version: those whose name is
  /// what was asked for first, then those whose name begins so, then those whose name has it, then others.
  std::vector<const NamedPackage*> search(std::string_view words) const;

private:
  const opam::PackageList m_packages;  // what entries point into
  std::map<std::string, NamedPackage, std::less<>> m_all;
  std::size_t m_versions = 0;
};

}  // namespace slipway::web
