#include "upstream/git.hpp"

#include "base/text.hpp"
#include "upstream/git_command.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace slipway::upstream {
namespace {

constexpr std::size_t listing_max = 64U << 20;
constexpr const char* newest = "refs/slipway/newest";  // what fetch() brought
constexpr const char* kept = "refs/slipway/kept";

constexpr std::string_view regular = "100644", executable = "100755", link = "120000", submodule = "160000";
constexpr std::string_view absent = "000000";

bool is_object_name(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string_view take_until(std::string_view& rest, char end) {
  const auto at = std::min(rest.find(end), rest.size());
  const auto out = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return out;
}

GitFile entry(std::string_view mode, std::string_view object, std::string_view path) {
  GitFile out{.path = std::string(path), .object = {}, .what = {}};
  if (mode == regular || mode == executable)
    out.object = object;
  else if (mode != absent)
    out.what = mode == link        ? "a symbolic link"
               : mode == submodule ? "a submodule"
                                   : "of git's mode " + std::string(mode);
  return out;
}

std::unexpected<Error> strange(std::string_view said) {
  return fail(Failure::io, "git says what is not understood: " + printable(said));
}

}  // namespace

Result<> check_git_source(const GitSource& source) {
  const auto& url = source.url;
  const bool has_scheme = url.find("://") != url.npos;
  static constexpr std::array<std::string_view, 5> schemes = {"https", "http", "ssh", "git", "file"};
  const auto scheme = std::string_view(url).substr(0, url.find("://"));
  if (url.empty() || url.starts_with('-') || url.find("::") < url.find('/') ||
      (has_scheme && std::ranges::find(schemes, scheme) == schemes.end()))
    return fail(Failure::invalid,
                fmt::format("'{}' is no address of a git repository: it is one of https, http, ssh, git or file, or a "
                            "folder's path",
                            printable(url)));
  const auto& branch = source.branch;
  if (branch.starts_with('-') || branch.find_first_of(" ~^:?*[\\") != branch.npos || branch.find("..") != branch.npos)
    return fail(Failure::invalid, fmt::format("'{}' is no branch's name", printable(branch)));
  return {};
}

std::string without_password(const std::string& url) {
  const auto begin = url.find("://");
  if (begin == url.npos) return url;
  const auto end = std::min(url.find('/', begin + 3), url.size());
  const auto at = url.rfind('@', end);
  if (at == url.npos || at < begin) return url;
  const auto colon = url.find(':', begin + 3);
  return colon < at ? url.substr(0, colon) + url.substr(at) : url;
}

Command git_command(const std::string& directory, std::vector<std::string> arguments, int stop_fd) {
  Command out{.arguments = {"git", "--git-dir", directory}, .environment = {}, .directory = {}};
  out.arguments.insert(out.arguments.end(), std::make_move_iterator(arguments.begin()),
                       std::make_move_iterator(arguments.end()));
  // Nobody is there to be asked for a password, and nothing but a transport is to be run for an address.
  out.environment = {"GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh", "LC_ALL=C"};
  if (!::getenv("GIT_SSH_COMMAND")) out.environment.emplace_back("GIT_SSH_COMMAND=ssh -oBatchMode=yes");
  out.stop_fd = stop_fd;
  return out;
}

Command GitClone::git(std::vector<std::string> arguments) const {
  return git_command(m_directory, std::move(arguments), m_stop_fd);
}

Result<GitClone> GitClone::open(const std::string& directory, GitSource source, int stop_fd) {
  TRY(check_git_source(source));
  GitClone out(directory, std::move(source), stop_fd);
  auto made = run({.arguments = {"git", "init", "--quiet", "--bare", directory},
                   .environment = {"LC_ALL=C"},
                   .directory = {},
                   .stop_fd = stop_fd});
  if (!made && made.error().failure == Failure::not_found)
    return fail(Failure::unavailable, "git is not installed: what is in a git repository cannot be watched");
  TRY(made);
  return out;
}

Result<std::string> GitClone::remote_head() {
  const auto name = m_source.branch.empty() ? std::string("HEAD") : "refs/heads/" + m_source.branch;
  TRY_ASSIGN(const auto said, run(git({"ls-remote", "--quiet", "--", m_source.url, name})));
  for (std::string_view rest = said; !rest.empty();) {
    auto line = take_until(rest, '\n');
    const auto commit = take_until(line, '\t');
    if (line == name && is_object_name(commit)) return std::string(commit);
  }
  return fail(Failure::not_found, m_source.branch.empty()
                                      ? m_source.url + " has no commit yet"
                                      : fmt::format("{} has no branch '{}'", m_source.url, m_source.branch));
}

Result<std::string> GitClone::fetch() {
  const auto name = m_source.branch.empty() ? std::string("HEAD") : "refs/heads/" + m_source.branch;
  auto command = git({"-c", "gc.autoDetach=false", "fetch", "--quiet", "--no-tags", "--depth=1", "--force",
                      "--no-write-fetch-head", "--no-recurse-submodules", "--", m_source.url,
                      fmt::format("+{}:{}", name, newest)});
  command.patience = std::chrono::minutes(30);  // it may be large, and says nothing meanwhile
  TRY(run(command));
  return commit_of(newest);
}

Result<std::string> GitClone::commit_of(const std::string& name) {
  TRY_ASSIGN(auto said, run(git({"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"})));
  while (said.ends_with('\n')) said.pop_back();
  if (!is_object_name(said)) return strange(said);
  return said;
}

/// What a fetch that was killed leaves is not connected: then the commit may be here, and what it needs is not.
bool GitClone::has(const std::string& commit) {
  return is_object_name(commit) && commit_of(commit) &&
         run(git({"rev-list", "--objects", "--quiet", "--max-count=1", commit})).has_value();
}

Result<> GitClone::keep(const std::string& commit) {
  TRY(run(git({"update-ref", kept, commit})));
  return {};
}

Result<std::int64_t> GitClone::time_of(const std::string& commit) {
  TRY_ASSIGN(const auto said, run(git({"show", "--no-patch", "--format=%ct", commit})));
  std::int64_t out = 0;
  if (std::from_chars(said.data(), said.data() + said.size(), out).ec != std::errc()) return strange(said);
  return out;
}

Result<std::vector<GitFile>> GitClone::files(const std::string& commit, const std::vector<std::string>& paths) {
  std::vector<std::string> arguments{"ls-tree", "-r", "-z", "--full-tree", commit, "--"};
  arguments.insert(arguments.end(), paths.begin(), paths.end());
  TRY_ASSIGN(const auto said, run(git(std::move(arguments)), listing_max));
  std::vector<GitFile> out;
  for (std::string_view rest = said; !rest.empty();) {
    auto path = take_until(rest, '\0');  // MODE TYPE OBJECT TAB PATH
    const auto mode = take_until(path, ' ');
    take_until(path, ' ');
    const auto object = take_until(path, '\t');
    if (!is_object_name(object) || path.empty()) return strange(object);
    out.push_back(entry(mode, object, path));
  }
  std::ranges::sort(out, {}, &GitFile::path);
  return out;
}

Result<std::vector<GitChange>> GitClone::changes(const std::string& from, const std::string& to,
                                                 const std::vector<std::string>& paths) {
  std::vector<std::string> arguments{"diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", from, to, "--"};
  arguments.insert(arguments.end(), paths.begin(), paths.end());
  TRY_ASSIGN(const auto said, run(git(std::move(arguments)), listing_max));
  std::vector<GitChange> out;
  for (std::string_view rest = said; !rest.empty();) {
    auto line = take_until(rest, '\0');  // :MODE MODE OBJECT OBJECT STATUS
    const auto path = take_until(rest, '\0');
    take_until(line, ' ');
    const auto mode = take_until(line, ' ');
    take_until(line, ' ');
    const auto object = take_until(line, ' ');
    if (!is_object_name(object) || path.empty()) return strange(line);
    out.push_back({entry(mode, object, path), line == "A"});
  }
  std::ranges::sort(out, {}, &GitChange::path);
  return out;
}

Result<GitClone::Blobs> GitClone::blobs() {
  TRY_ASSIGN(auto process, Subprocess::start(git({"cat-file", "--batch"})));
  return Blobs(std::move(process));
}

Result<std::string> GitClone::Blobs::read(const std::string& object, std::size_t size_max) {
  TRY(m_git.write(object + "\n"));
  TRY_ASSIGN(const auto head, m_git.read_line());
  std::string_view rest = head ? std::string_view(*head) : std::string_view();  // OBJECT TYPE SIZE
  take_until(rest, ' ');
  const auto type = take_until(rest, ' ');
  std::uint64_t size = 0;
  if (type != "blob" || std::from_chars(rest.data(), rest.data() + rest.size(), size).ec != std::errc())
    return strange(head.value_or("nothing"));
  if (size <= size_max) {
    TRY_ASSIGN(auto out, m_git.read_exactly(size + 1));
    out.pop_back();  // a newline of its own
    return out;
  }
  for (auto left = size + 1; left > 0;) {
    const auto piece = std::min<std::uint64_t>(left, 1U << 20);
    TRY(m_git.read_exactly(piece));
    left -= piece;
  }
  return fail(Failure::too_large,
              fmt::format("it has {}, and more than {} is too much", human_size(size), human_size(size_max)));
}

}  // namespace slipway::upstream
