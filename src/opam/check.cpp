#include "opam/check.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

using Kind = SourceFinding::Kind;

/// Whose source it was that named something first.
struct First {
  const PackageEntry* package;
  const Source* source;
};

class Check {
public:
  void look_at(const PackageEntry& entry) {
    for (const auto& problem : entry.package.problems) tell(Kind::invalid, entry, problem);
    for (const auto& source : entry.package.sources)
      if (source.is_archive && !source.urls.empty()) look_at(entry, source);
  }
  std::vector<SourceFinding> take() { return std::move(m_out); }

private:
  void look_at(const PackageEntry& entry, const Source& source) {
    const auto url = printable(source.urls[0]);
    if (source.checksums.empty()) {
      tell(Kind::unverifiable, entry, fmt::format("{} has no checksum", url));
      return;
    }
    if (std::ranges::all_of(source.checksums, [](const auto& each) { return each.kind == Checksum::Kind::md5; }))
      tell(Kind::weak, entry, fmt::format("{} has an MD5 alone, which others can be made to have", url));
    compare_addresses(entry, source);
    compare_bytes(entry, source);
  }

  void compare_addresses(const PackageEntry& entry, const Source& source) {
    for (const auto& checksum : source.checksums) {
      const auto [first, is_new] = m_by_checksum.try_emplace(checksum.text(), First{&entry, &source});
      if (is_new || first->second.source->urls[0] == source.urls[0]) continue;
      const auto& [other, same] = first->second;
      tell(Kind::other_address, entry,
           fmt::format("{} has the {} of {}, which {} has from {}", printable(source.urls[0]), name_of(checksum.kind),
                       checksum.hex.substr(0, 12), other->name.text(), printable(same->urls[0])));
      return;
    }
  }

  void compare_bytes(const PackageEntry& entry, const Source& source) {
    const auto [first, is_new] = m_by_url.try_emplace(source.urls[0], First{&entry, &source});
    if (is_new) return;
    for (const auto& checksum : source.checksums) {
      const auto& listed = first->second.source->checksums;
      const auto other = std::ranges::find(listed, checksum.kind, &Checksum::kind);
      if (other == listed.end() || other->hex == checksum.hex) continue;
      tell(Kind::other_bytes, entry,
           fmt::format("{} is to have the {} {}, and {} for {}: one of them cannot be", printable(source.urls[0]),
                       name_of(checksum.kind), checksum.hex.substr(0, 12), other->hex.substr(0, 12),
                       first->second.package->name.text()));
      return;
    }
  }

  void tell(Kind kind, const PackageEntry& entry, std::string text) {
    m_out.push_back({kind, entry.name, std::move(text)});
  }

  std::unordered_map<std::string, First> m_by_checksum;
  std::unordered_map<std::string_view, First> m_by_url;
  std::vector<SourceFinding> m_out;
};

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
  case Kind::invalid: return "invalid";
  case Kind::unverifiable: return "unverifiable";
  case Kind::weak: return "weak";
  case Kind::other_address: return "other-address";
  case Kind::other_bytes: return "other-bytes";
  }
  return "";
}

std::vector<SourceFinding> check_sources(const PackageList& packages) {
  Check check;
  for (const auto& part : packages)
    for (const auto& entry : *part) check.look_at(entry);
  return check.take();
}

}  // namespace slipway::opam
