#include "upstream/git_history.hpp"

#include "upstream/git_command.hpp"

#include <charconv>
#include <fmt/format.h>

namespace slipway::upstream {
namespace {

constexpr const char* newest = "refs/slipway/newest";
constexpr std::size_t line_max = 64U << 10;

}  // namespace

Command GitHistory::git(std::vector<std::string> arguments) const {
  auto out = git_command(m_directory, std::move(arguments), m_stop_fd);
  out.patience = std::chrono::minutes(30);  // of a large one it may be long before anything is said
  return out;
}

Result<std::string> GitHistory::fetch() {
  TRY(check_git_source(m_source));
  TRY(run({.arguments = {"git", "init", "--quiet", "--bare", m_directory},
           .environment = {"LC_ALL=C"},
           .directory = {},
           .stop_fd = m_stop_fd}));
  // What a filter leaves out is only ever asked of a remote that is named as one that promised it.
  const std::vector<std::string> settings{
      "remote.origin.url", m_source.url, "remote.origin.promisor", "true", "remote.origin.partialclonefilter",
      "blob:none"};
  for (std::size_t i = 0; i < settings.size(); i += 2) TRY(run(git({"config", settings[i], settings[i + 1]})));
  const auto name = m_source.branch.empty() ? std::string("HEAD") : "refs/heads/" + m_source.branch;
  TRY(run(git({"-c", "gc.autoDetach=false", "fetch", "--quiet", "--no-tags", "--force", "--filter=blob:none",
               "--no-write-fetch-head", "--no-recurse-submodules", "origin", fmt::format("+{}:{}", name, newest)})));
  TRY_ASSIGN(auto said, run(git({"rev-parse", "--verify", "--quiet", newest})));
  while (said.ends_with('\n')) said.pop_back();
  return said;
}

Result<> GitHistory::for_each_added(const std::string& since, const std::string& folder,
                                    const std::function<void(std::string_view, std::int64_t)>& each) {
  // Where `since` is no commit of it any more, everything is told.
  const bool is_known =
      !since.empty() && run(git({"merge-base", "--is-ancestor", "--end-of-options", since, newest})).has_value();
  TRY_ASSIGN(auto process, Subprocess::start(git({"log", "--first-parent", "--diff-merges=first-parent", "--no-renames",
                                                  "--diff-filter=A", "--name-only", "--format=%x01%ct",
                                                  is_known ? fmt::format("{}..{}", since, newest) : std::string(newest),
                                                  "--", folder})));
  std::int64_t seconds = 0;
  for (;;) {
    TRY_ASSIGN(const auto line, process.read_line(line_max));
    if (!line) return process.wait();
    std::string_view text = *line;
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.starts_with('\x01'))
      std::from_chars(text.data() + 1, text.data() + text.size(), seconds);
    else if (!text.empty() && !text.starts_with('"'))  // quoted: no name that a package can have
      each(text, seconds);
  }
}

}  // namespace slipway::upstream
