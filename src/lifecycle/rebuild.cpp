#include "lifecycle/rebuild.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

namespace slipway::lifecycle {
namespace {

Result<JournalChain> choose(blob::Objects& objects, const RebuildChoice& choice) {
  TRY_ASSIGN(const auto found, objects.list());
  auto survey = survey_journal(found);
  std::vector<std::string> whole;
  for (const auto& [name, chain] : survey.generations)
    if (!chain.stretches.empty()) whole.push_back(fmt::format("{} (to change {})", name, chain.reach()));
  if (whole.empty())
    return fail(Failure::not_found, "there is no journal in this store: it is written while a server runs");
  const auto chosen = choice.generation.empty() ? survey.generations.end() : survey.generations.find(choice.generation);
  if (chosen != survey.generations.end() && !chosen->second.stretches.empty()) return std::move(chosen->second);
  if (!choice.generation.empty())
    return fail(Failure::not_found, fmt::format("there is no whole generation '{}' of the journal, but: {}",
                                                choice.generation, fmt::join(whole, ", ")));
  if (whole.size() > 1)
    return fail(Failure::conflict,
                fmt::format("the journal has several generations, the latest of which goes furthest unless "
                            "an older catalog had been put in place; choose one by --journal: {}",
                            fmt::join(whole, ", ")));
  return std::move(survey.generations.at(whole.front().substr(0, whole.front().find(' '))));
}

/// An object that would come after the chain's end, were there not something missing before it.
std::optional<std::string> beyond_a_gap(const JournalChain& chain) {
  for (const auto& name : chain.unused)
    if (const auto object = journal_object(name); object && object->stretch.after.value_or(0) > chain.reach())
      return name;
  return std::nullopt;
}

}  // namespace

Result<RebuildReport> rebuild(blob::Objects& objects, const RebuildChoice& choice, catalog::Rebuild& catalog,
                              const std::function<void(std::uint64_t done, std::uint64_t total)>& advance) {
  TRY_ASSIGN(const auto chain, choose(objects, choice));
  const auto gap = beyond_a_gap(chain);
  if (gap && !choice.partial)
    return fail(Failure::corrupt,
                fmt::format("the journal lacks what lies between change {} and {}: --partial rebuilds "
                            "what comes before",
                            chain.reach(), *gap));
  RebuildReport report{.generation = chain.stretches.front().stretch.generation};
  std::vector<std::string> names;
  for (const auto& stretch : chain.stretches) names.insert(names.end(), stretch.names.begin(), stretch.names.end());
  for (const auto& name : names) {
    const auto text = objects.get(name);
    const auto applied = text ? catalog.apply(*text) : Result<>(std::unexpected(text.error()));
    if (!applied && choice.partial && report.objects > 0) break;
    if (!applied) return std::unexpected(applied.error().during("the journal's " + name));
    ++report.objects;
    advance(text->size(), chain.size());
  }
  TRY(catalog.finish(!gap && report.objects == names.size()));
  report.through = catalog.stretch().through;
  report.rows = catalog.rows();
  return report;
}

}  // namespace slipway::lifecycle
