#include "admin/opam_operations.hpp"

#include "admin/opam.hpp"

#include <array>
#include <charconv>

namespace slipway::admin {
namespace {

using access::Action;

std::string optional(const Parameters& parameters, const std::string& name) {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

Result<OpamControl*> control_of(Instance& instance) {
  if (!instance.opam)
    return fail(Failure::unavailable, "opam repositories are kept by a running server: start it, and ask it");
  return instance.opam;
}

Result<OpamPlace> place_of(const Parameters& parameters) {
  TRY_ASSIGN(auto repository, required(parameters, "repository"));
  auto channel = optional(parameters, "channel");
  return OpamPlace{std::move(repository), channel.empty() ? "live" : std::move(channel)};
}

Result<Json> list(Instance& instance, const Parameters&, const std::string&) {
  TRY_ASSIGN(auto* control, control_of(instance));
  return control->list();
}

Result<Json> add(Instance& instance, const Parameters& parameters, const std::string& who) {
  TRY_ASSIGN(const auto place, place_of(parameters));
  TRY_ASSIGN(auto* control, control_of(instance));
  OpamSource source{.git = {}, .branch = optional(parameters, "branch"), .poll = {}};
  TRY_ASSIGN(source.git, required(parameters, "git"));
  if (const auto text = optional(parameters, "poll_ms"); !text.empty()) {
    constexpr std::uint32_t least = 1000;
    std::uint32_t poll = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), poll);
    if (bad != std::errc() || end != text.data() + text.size() || poll < least)
      return fail(Failure::invalid, "poll_ms is a number of milliseconds, at least 1000, not '" + text + "'");
    source.poll = std::chrono::milliseconds(poll);
  }
  return control->add(place, source, who);
}

template <auto Run>
Result<Json> at_place(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto place, place_of(parameters));
  TRY_ASSIGN(auto* control, control_of(instance));
  return (control->*Run)(place);
}

Result<Json> remove(Instance& instance, const Parameters& parameters, const std::string& who) {
  TRY_ASSIGN(const auto place, place_of(parameters));
  TRY_ASSIGN(auto* control, control_of(instance));
  return control->remove(place, who);
}

Result<Json> sources(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto place, place_of(parameters));
  TRY_ASSIGN(auto* control, control_of(instance));
  const auto state = optional(parameters, "state");
  if (!state.empty() && state != "kept" && state != "missing")
    return fail(Failure::invalid, "state is kept or missing, not '" + state + "'");
  TRY_ASSIGN(const auto limit, page_of(parameters));
  return control->sources(place, state, optional(parameters, "last"), limit);
}

Result<Json> explain(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto place, place_of(parameters));
  TRY_ASSIGN(auto* control, control_of(instance));
  TRY_ASSIGN(const auto package, required(parameters, "package"));
  return control->explain(place, package);
}

Result<Json> keep(Instance& instance, const Parameters& parameters, const std::string&) {
  TRY_ASSIGN(const auto repository, required(parameters, "repository"));
  TRY_ASSIGN(const auto digest, required(parameters, "digest"));
  TRY_ASSIGN(const auto listed, required(parameters, "checksums"));
  std::vector<std::string> checksums;
  for (std::size_t at = 0; at <= listed.size();) {
    const auto end = std::min(listed.find(',', at), listed.size());
    checksums.push_back(listed.substr(at, end - at));
    at = end + 1;
  }
  TRY_ASSIGN(auto* control, control_of(instance));
  return control->keep(repository, digest, checksums);
}

constexpr std::array<Operation, 9> all = {{
    {"opam/ls", false, Action::admin, "", "", "", "The opam repositories that this server keeps", list},
    {"opam/add", true, Action::admin, "", "", "repository channel? git branch? poll_ms?",
     "Keeps an opam repository as a git repository is, from now on", add},
    {"opam/rm", true, Action::admin, "", "", "repository channel?", "Ends that; what is published and kept stays",
     remove},
    {"opam/status", false, Action::pull, "repository", "", "repository channel?",
     "What is live, what the git repository has, and what is missing", at_place<&OpamControl::status>},
    {"opam/sync", true, Action::push, "repository", "", "repository channel?",
     "Looks at the git repository now, and publishes what is new", at_place<&OpamControl::sync>},
    {"opam/check", false, Action::pull, "repository", "", "repository channel?",
     "What is wrong with package files and sources", at_place<&OpamControl::check>},
    {"opam/sources", false, Action::pull, "repository", "", "repository channel? state? last? n?",
     "The sources that packages name, and which are kept", sources},
    {"opam/explain", false, Action::pull, "repository", "", "repository channel? package",
     "One package: since when it is published, from where its sources are, what is wrong", explain},
    {"opam/keep", true, Action::push, "repository", "", "repository digest checksums",
     "Keeps a blob as a source, as import-cache does", keep},
}};

}  // namespace

std::span<const Operation> opam_operations() { return all; }

}  // namespace slipway::admin
