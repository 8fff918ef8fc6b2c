#include "lifecycle/journal_objects.hpp"

#include "base/random.hpp"

#include <charconv>
#include <fmt/format.h>
#include <unordered_set>

namespace slipway::lifecycle {
namespace {

constexpr std::string_view snapshot = "snapshot";

/// A number of exactly so many hexadecimal digits.
std::optional<std::int64_t> number_in(std::string_view text, std::size_t digits) {
  std::int64_t out = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  const bool whole = bad == std::errc() && end == text.data() + text.size() && text.size() == digits && out >= 0;
  return whole ? std::optional(out) : std::nullopt;
}

bool is_generation(std::string_view text) {
  return text.size() == 17 && text[8] == '-' && number_in(text.substr(0, 8), 8) && number_in(text.substr(9), 8);
}

/// The whole stretches of a generation, by where they begin (nothing: the snapshot), the one that goes furthest each.
using Whole = std::map<std::optional<std::int64_t>, WholeStretch>;

struct Parts {
  std::map<std::int64_t, std::pair<std::string, std::uint64_t>> objects;  // by part: name, size
  bool has_last = false;
};

Whole whole_of(std::span<const std::pair<JournalObject, blob::NamedObject>> objects) {
  std::map<std::pair<std::optional<std::int64_t>, std::int64_t>, Parts> found;
  for (const auto& [object, named] : objects) {
    auto& parts = found[{object.stretch.after, object.stretch.through}];
    parts.objects[object.part] = {named.name, named.size};
    parts.has_last = parts.has_last || object.last;
  }
  Whole out;
  for (const auto& [from_to, parts] : found) {  // in order of `through`: the furthest one stays
    const auto count = static_cast<std::int64_t>(parts.objects.size());
    if (!parts.has_last || parts.objects.begin()->first != 0 || parts.objects.rbegin()->first != count - 1) continue;
    WholeStretch whole{{objects[0].first.stretch.generation, from_to.first, from_to.second}, {}, 0};
    for (const auto& [part, named] : parts.objects) {
      whole.names.push_back(named.first);
      whole.size += named.second;
    }
    out[from_to.first] = std::move(whole);
  }
  return out;
}

JournalChain chain_of(std::span<const std::pair<JournalObject, blob::NamedObject>> objects) {
  auto whole = whole_of(objects);
  JournalChain chain;
  for (std::optional<std::int64_t> at; whole.contains(at);) {
    chain.stretches.push_back(std::move(whole.at(at)));
    const auto reached = chain.reach();
    if (at && reached <= *at) break;  // no segment ends where it begins
    at = reached;
  }
  std::unordered_set<std::string_view> used;
  for (const auto& stretch : chain.stretches) used.insert(stretch.names.begin(), stretch.names.end());
  for (const auto& [object, named] : objects)
    if (!used.contains(named.name)) chain.unused.push_back(named.name);
  return chain;
}

}  // namespace

std::uint64_t JournalChain::size() const {
  std::uint64_t out = 0;
  for (const auto& stretch : stretches) out += stretch.size;
  return out;
}

std::string name_of(const JournalObject& object) {
  const auto& [generation, after, through] = object.stretch;
  return fmt::format("{}.{}.{:016x}.{:04x}{}", generation, after ? fmt::format("{:016x}", *after) : snapshot, through,
                     object.part, object.last ? ".end" : "");
}

std::optional<JournalObject> journal_object(std::string_view name) {
  std::vector<std::string_view> fields;
  for (auto rest = name;;) {
    const auto dot = rest.find('.');
    fields.push_back(rest.substr(0, dot));
    if (dot == rest.npos) break;
    rest.remove_prefix(dot + 1);
  }
  const bool last = fields.size() == 5 && fields[4] == "end";
  if ((fields.size() != 4 && !last) || !is_generation(fields[0])) return std::nullopt;
  const auto after = number_in(fields[1], 16);
  const auto through = number_in(fields[2], 16);
  const auto part = number_in(fields[3], 4);
  if ((!after && fields[1] != snapshot) || !through || !part) return std::nullopt;
  return JournalObject{{std::string(fields[0]), after, *through}, *part, last};
}

JournalSurvey survey_journal(std::span<const blob::NamedObject> objects) {
  JournalSurvey out;
  std::map<std::string, std::vector<std::pair<JournalObject, blob::NamedObject>>> found;
  for (const auto& named : objects) {
    if (const auto object = journal_object(named.name))
      found[object->stretch.generation].emplace_back(*object, named);
    else
      out.others.push_back(named.name);
  }
  for (const auto& [generation, parts] : found) out.generations[generation] = chain_of(parts);
  return out;
}

std::string next_generation(const JournalSurvey& survey) {
  const auto newest =
      survey.generations.empty() ? 0 : number_in(survey.generations.rbegin()->first.substr(0, 8), 8).value_or(0);
  return fmt::format("{:08x}-{}", newest + 1, random_hex(4));
}

}  // namespace slipway::lifecycle
