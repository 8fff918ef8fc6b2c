#include "web/package_index.hpp"

#include "base/text.hpp"
#include "opam/version.hpp"

#include <algorithm>

namespace slipway::web {
namespace {

constexpr std::size_t words_max = 8;

/// '+' is what browsers send for a space, too.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size() && out.size() < words_max;) {
    const auto end = std::min(text.find_first_of(" +\t", at), text.size());
    if (end > at) out.push_back(in_small_letters(text.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

/// Nothing where a word is nowhere; else the lower the better.
std::optional<int> rank_of(const NamedPackage& package, const std::vector<std::string>& words) {
  const auto name = in_small_letters(package.name);
  int out = 0;
  for (const auto& word : words) {
    const auto at = name.find(word);
    if (at != name.npos) {
      out += name == word ? 0 : at == 0 ? 1 : 2;
      continue;
    }
    const auto& latest = package.latest().package;
    const auto has = [&](const std::string& text) { return in_small_letters(text).find(word) != std::string::npos; };
    if (!has(latest.synopsis) && std::ranges::none_of(latest.tags, has)) return std::nullopt;
    out += 3;
  }
  return out;
}

}  // namespace

const opam::PackageEntry& NamedPackage::latest() const {
  const auto found = std::ranges::find_if(versions, [](const auto* each) { return each->package.is_available; });
  return found == versions.end() ? *versions.front() : **found;
}

PackageIndex::PackageIndex(opam::PackageList packages) : m_packages(std::move(packages)) {
  for (const auto& part : m_packages)
    for (const auto& entry : *part) {
      auto& package = m_all[entry.name.name];
      package.name = entry.name.name;
      package.versions.push_back(&entry);
      ++m_versions;
    }
  for (auto& [name, package] : m_all)
    std::ranges::sort(package.versions, [](const auto* a, const auto* b) {
      return opam::compare_versions(a->name.version, b->name.version) > 0;
    });
  // Each name once, in order: packages come in order, and the last one added tells whether this one was.
  const auto add = [this](std::string_view needed, std::vector<std::string> NamedPackage::* list,
                          const std::string& by) {
    const auto found = m_all.find(needed);
    if (found == m_all.end()) return;
    auto& names = found->second.*list;
    if (names.empty() || names.back() != by) names.push_back(by);
  };
  for (const auto& [name, package] : m_all)
    for (const auto* version : package.versions) {
      for (const auto& needed : version->package.dependencies) add(needed, &NamedPackage::dependants, name);
      for (const auto& needed : version->package.options) add(needed, &NamedPackage::optional_dependants, name);
    }
}

const NamedPackage* PackageIndex::find(std::string_view name) const {
  const auto found = m_all.find(name);
  return found == m_all.end() ? nullptr : &found->second;
}

std::vector<const NamedPackage*> PackageIndex::search(std::string_view text) const {
  const auto words = words_of(text);
  std::vector<std::pair<int, const NamedPackage*>> found;
  for (const auto& [name, package] : m_all)
    if (const auto rank = rank_of(package, words)) found.emplace_back(*rank, &package);
  std::ranges::sort(found, {},
                    [](const auto& each) { return std::pair(each.first, std::string_view(each.second->name)); });
  std::vector<const NamedPackage*> out;
  for (const auto& [rank, package] : found) out.push_back(package);
  return out;
}

}  // namespace slipway::web
