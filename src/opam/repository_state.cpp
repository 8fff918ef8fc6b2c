#include "opam/repository_state.hpp"

namespace slipway::opam {
namespace {

constexpr std::size_t findings_max = 10'000;
constexpr std::size_t text_max = 64U << 20;

std::int64_t number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

std::vector<std::string> texts_at(const Json& object, const char* key) {
  std::vector<std::string> out;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return out;
  for (const auto& each : *found)
    if (each.is_string()) out.push_back(each.get<std::string>());
  return out;
}

SourceState read_failing(const Json& object) {
  SourceState out{.source = {.urls = texts_at(object, "urls"), .checksums = {}},
                  .failures = static_cast<unsigned>(number_at(object, "failures")),
                  .problem = string_at(object, "problem"),
                  .next_in = std::chrono::milliseconds(number_at(object, "next_in_ms"))};
  for (const auto& text : texts_at(object, "checksums"))
    if (auto checksum = Checksum::parse(text)) out.source.checksums.push_back(std::move(*checksum));
  return out;
}

}  // namespace

Json json_of(const SourceState& failing) {
  Json checksums = Json::array();
  for (const auto& checksum : failing.source.checksums) checksums.push_back(checksum.text());
  return {{"urls", failing.source.urls},
          {"checksums", std::move(checksums)},
          {"failures", failing.failures},
          {"problem", failing.problem},
          {"next_in_ms", failing.next_in.count()}};
}

bool RepositoryState::take(const Look& look, Timestamp now) {
  bool is_news = look.problem != problem || (!look.head.empty() && look.head != head) || look.report.has_value() ||
                 look.is_withdrawn != is_withdrawn;
  looked_at = now;
  if (look.problem != problem && (look.problem.empty() || problem.empty())) problem_since = now;
  problem = look.problem;
  is_withdrawn = look.is_withdrawn;
  if (!look.head.empty() && look.head != head) {
    head = look.head;
    head_since = now;
  }
  if (!look.report) return is_news;
  const auto& report = *look.report;
  for (const auto& path : report.looked_at) findings.erase(path);
  for (const auto& [path, what] : report.findings)
    if (findings.size() < findings_max) findings.insert_or_assign(path, what);
  if (!report.moved && commit == report.commit) return is_news;
  commit = report.commit;
  snapshot = report.snapshot.text();
  if (!report.moved) return true;  // somebody else published it, and knows when
  published_at = now;
  changes = report.changes;
  fetching = report.fetching;
  reading = report.reading;
  publishing = report.publishing;
  return true;
}

std::chrono::microseconds RepositoryState::behind(Timestamp now) const {
  if (head.empty() || head == commit || is_withdrawn) return {};
  return std::max(now - head_since, Timestamp::duration::zero());
}

std::string RepositoryState::text() const {
  Json failing = Json::array();
  for (const auto& each : sources.failing) failing.push_back(json_of(each));
  const Json out{{"head", head},
                 {"head_since", to_micros(head_since)},
                 {"looked_at", to_micros(looked_at)},
                 {"is_withdrawn", is_withdrawn},
                 {"problem", problem},
                 {"problem_since", to_micros(problem_since)},
                 {"commit", commit},
                 {"snapshot", snapshot},
                 {"published_at", to_micros(published_at)},
                 {"changes", changes},
                 {"fetching_ms", fetching.count()},
                 {"reading_ms", reading.count()},
                 {"publishing_ms", publishing.count()},
                 {"findings", findings},
                 {"sources_at", to_micros(sources_at)},
                 {"wanted", sources.wanted},
                 {"missing", sources.missing},
                 {"failing", std::move(failing)}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<RepositoryState> RepositoryState::parse(std::string_view text) {
  TRY_ASSIGN(const auto json, parse_json(text, {.size_max = text_max}));
  if (!json.is_object()) return fail(Failure::invalid, "not the state of an opam repository");
  const auto time_at = [&json](const char* key) { return from_micros(number_at(json, key)); };
  const auto span_at = [&json](const char* key) { return std::chrono::milliseconds(number_at(json, key)); };
  RepositoryState out;
  out.head = string_at(json, "head");
  out.head_since = time_at("head_since");
  out.looked_at = time_at("looked_at");
  out.is_withdrawn = json.value("is_withdrawn", Json()) == Json(true);
  out.problem = string_at(json, "problem");
  out.problem_since = time_at("problem_since");
  out.commit = string_at(json, "commit");
  out.snapshot = string_at(json, "snapshot");
  out.published_at = time_at("published_at");
  out.changes = static_cast<std::size_t>(number_at(json, "changes"));
  out.fetching = span_at("fetching_ms");
  out.reading = span_at("reading_ms");
  out.publishing = span_at("publishing_ms");
  if (const auto findings = json.find("findings"); findings != json.end() && findings->is_object())
    for (const auto& [path, what] : findings->items())
      if (what.is_string()) out.findings.emplace(path, what.get<std::string>());
  out.sources_at = time_at("sources_at");
  out.sources.wanted = static_cast<std::size_t>(number_at(json, "wanted"));
  out.sources.missing = static_cast<std::size_t>(number_at(json, "missing"));
  if (const auto failing = json.find("failing"); failing != json.end() && failing->is_array())
    for (const auto& each : *failing)
      if (each.is_object()) out.sources.failing.push_back(read_failing(each));
  return out;
}

Json summary_of(const RepositoryState& state, Timestamp now) {
  const auto time = [](Timestamp at) { return at == Timestamp{} ? Json() : Json(rfc3339(at)); };
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  using Seconds = std::chrono::duration<double>;
  return {{"commit", text(state.commit)},
          {"snapshot", text(state.snapshot)},
          {"published_at", time(state.published_at)},
          {"head", text(state.head)},
          {"head_since", time(state.head_since)},
          {"looked_at", time(state.looked_at)},
          {"behind_seconds", Seconds(state.behind(now)).count()},
          {"withdrawn", state.is_withdrawn},
          {"problem", text(state.problem)},
          {"problem_since", state.problem.empty() ? Json() : time(state.problem_since)},
          {"changes", state.changes},
          {"fetching_ms", state.fetching.count()},
          {"reading_ms", state.reading.count()},
          {"publishing_ms", state.publishing.count()},
          {"findings", state.findings.size()},
          {"sources", state.sources.wanted},
          {"sources_missing", state.sources.missing},
          {"sources_failing", state.sources.failing.size()}};
}

}  // namespace slipway::opam
