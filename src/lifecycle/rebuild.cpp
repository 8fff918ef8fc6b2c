#include "lifecycle/rebuild.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace slipway::lifecycle {
namespace {

Result<JournalChain> choose(blob::Objects& objects, const std::string& generation) {
  TRY_ASSIGN(const auto found, objects.list());
  auto survey = survey_journal(found);
  std::vector<std::string> whole;
  for (const auto& [name, chain] : survey.generations)
    if (!chain.stretches.empty()) whole.push_back(name);
  if (whole.empty())
    return fail(Failure::not_found, "there is no journal in this store: it is written while a server runs");
  const auto& chosen = generation.empty() ? whole.back() : generation;
  if (std::ranges::find(whole, chosen) == whole.end())
    return fail(Failure::not_found, fmt::format("there is no whole generation '{}' of the journal, but: {}", chosen,
                                                fmt::join(whole, ", ")));
  return std::move(survey.generations.at(chosen));
}

}  // namespace

Result<RebuildReport> rebuild(blob::Objects& objects, const std::string& generation, catalog::Rebuild& catalog,
                              const std::function<void(std::uint64_t done, std::uint64_t total)>& advance) {
  TRY_ASSIGN(const auto chain, choose(objects, generation));
  RebuildReport report{.generation = chain.stretches.front().stretch.generation};
  for (const auto& stretch : chain.stretches)
    for (const auto& name : stretch.names) {
      TRY_ASSIGN(const auto text, objects.get(name));
      if (auto applied = catalog.apply(text); !applied)
        return std::unexpected(applied.error().during("the journal's " + name));
      ++report.objects;
      advance(text.size(), chain.size());
    }
  TRY(catalog.finish());
  report.through = catalog.stretch().through;
  report.rows = catalog.rows();
  return report;
}

}  // namespace slipway::lifecycle
