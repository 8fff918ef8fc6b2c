#include "opam/gauges.hpp"

namespace slipway::opam {
namespace {

using Seconds = std::chrono::duration<double>;

void set_gauges(const SourcePlace& place, const RepositoryState& state, Timestamp now, Metrics& metrics) {
  const Labels labels{{"repository", place.repository}, {"channel", place.channel}};
  const auto set = [&](const char* name, const char* help, double value) {
    metrics.gauge(name, help, labels).set(value);
  };
  const auto seconds_since = [now](Timestamp at) { return at == Timestamp{} ? -1 : Seconds(now - at).count(); };
  set("slipway_opam_behind_seconds", "How long the channel has not been as its git repository; 0: it is",
      Seconds(state.behind(now)).count());
  set("slipway_opam_looked_seconds", "How long ago the git repository was looked at; -1: never",
      seconds_since(state.looked_at));
  set("slipway_opam_published_seconds", "How long ago the channel was moved; -1: not known",
      seconds_since(state.published_at));
  set("slipway_opam_problem", "1 where the channel cannot be brought up to date", state.problem.empty() ? 0 : 1);
  set("slipway_opam_findings", "Files that are not published as they are", static_cast<double>(state.findings.size()));
  set("slipway_opam_sources", "Sources that packages name and a cache can have",
      static_cast<double>(state.sources.wanted));
  set("slipway_opam_sources_missing", "Those that are not kept yet", static_cast<double>(state.sources.missing));
  set("slipway_opam_sources_failing", "Those that could not be had so far",
      static_cast<double>(state.sources.failing.size()));
  const auto set_phase = [&](const char* phase, std::chrono::milliseconds took) {
    auto with_phase = labels;
    with_phase["phase"] = phase;
    metrics.gauge("slipway_opam_phase_seconds", "How long each phase of the last publication took", with_phase)
        .set(Seconds(took).count());
  };
  set_phase("fetching", state.fetching);
  set_phase("reading", state.reading);
  set_phase("publishing", state.publishing);
}

}  // namespace

Metrics::Collector publish_gauges(Repositories& repositories, catalog::Catalog& catalog, const Clock& clock,
                                  Metrics& metrics) {
  return metrics.before_exposition([&] {
    for (const auto& kept : repositories.places())
      if (const auto state = state_of(catalog, kept.place)) set_gauges(kept.place, *state, clock.now(), metrics);
  });
}

}  // namespace slipway::opam
