// slipway tree: what is in a snapshot, how two of them differ, and the files themselves.

#include "base/json.hpp"
#include "base/text.hpp"
#include "base/workers.hpp"
#include "cli/commands.hpp"
#include "cli/local_files.hpp"
#include "cli/progress.hpp"
#include "cli/server_access.hpp"
#include "cli/tree_place.hpp"
#include "http/client.hpp"
#include "publish/remote_tree.hpp"

#include <atomic>
#include <fmt/format.h>

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;
using publish::Difference;
using publish::File;
using publish::RemoteTree;

Json json_of(const File& file) {
  return {{"path", file.path}, {"digest", file.digest.text()}, {"size", file.size}, {"type", file.media_type}};
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Prints the elements of a list as they come, as JSON or as lines: it may be long.
class List {
public:
  List(bool as_json, const Json& head, const char* name) : m_as_json(as_json) {
    if (!m_as_json) return;
    auto text = text_of(head);
    text.back() = ',';
    fmt::print("{}\"{}\":[", text, name);
  }
  void add(const Json& json, const std::string& line) {
    if (m_as_json)
      fmt::print("{}\n{}", m_is_empty ? "" : ",", text_of(json));
    else
      fmt::print("{}\n", line);
    m_is_empty = false;
  }
  void end() const {
    if (m_as_json) fmt::print("\n]}}\n");
  }

private:
  const bool m_as_json;
  bool m_is_empty = true;
};

Result<> list(const Common& common, const AdminTarget& target, const TreeArguments& arguments) {
  TRY_ASSIGN(const auto place, parse_tree_place(arguments.place));
  TRY_ASSIGN(const auto server, find_server(common, target));
  RepositoryReader reader(server, place.repository, 1);
  TRY_ASSIGN(const auto tree, RemoteTree::open(reader.client(), place.reference));
  const auto& snapshot = tree.snapshot();
  List out(common.json,
           {{"repository", place.repository},
            {"digest", tree.digest().text()},
            {"file_count", snapshot.files},
            {"bytes", snapshot.bytes}},
           "files");
  TRY(tree.for_each(arguments.path, [&](const File& file) -> Result<> {
    out.add(json_of(file), fmt::format("{:>10}  {}", human_size(file.size), file.path));
    return {};
  }));
  out.end();
  return {};
}

Result<> compare(const Common& common, const AdminTarget& target, const TreeArguments& arguments) {
  TRY_ASSIGN(const auto from, parse_tree_place(arguments.place));
  TreePlace to{from.repository, arguments.other};
  if (const bool is_whole = arguments.other.find('@') != std::string::npos; is_whole) {
    TRY_ASSIGN(to, parse_tree_place(arguments.other));
  } else {
    TRY_ASSIGN(to, parse_tree_place(from.repository + "@" + arguments.other));
  }
  TRY_ASSIGN(const auto server, find_server(common, target));
  RepositoryReader left(server, from.repository, 1), right(server, to.repository, 1);
  TRY_ASSIGN(const auto before, RemoteTree::open(left.client(), from.reference));
  TRY_ASSIGN(const auto after, RemoteTree::open(right.client(), to.reference));
  List out(common.json, {{"from", before.digest().text()}, {"to", after.digest().text()}}, "differences");
  TRY(publish::compare(before, after, [&](Difference difference, const File& file) -> Result<> {
    const auto* name = difference == Difference::added     ? "added"
                       : difference == Difference::removed ? "removed"
                                                           : "changed";
    auto json = json_of(file);
    json["difference"] = name;
    const char sign = difference == Difference::added ? '+' : difference == Difference::removed ? '-' : '~';
    out.add(json, fmt::format("{} {}", sign, file.path));
    return {};
  }));
  out.end();
  return {};
}

// ---- get

struct Got {
  std::uint64_t files = 0, bytes = 0;  // of all
  std::atomic<std::uint64_t> fetched_files{0}, fetched_bytes{0};
};

Result<> get_all(const RemoteTree& tree, publish::RegistryClient& client, const TreeArguments& arguments, Got& got,
                 Progress& progress) {
  Workers workers(arguments.jobs);
  TRY(tree.for_each(arguments.path, [&](const File& file) -> Result<> {
    ++got.files;
    got.bytes += file.size;
    progress.tell([&] { return fmt::format("{} files, {} fetched", got.files, human_size(got.fetched_bytes)); });
    return workers.run([&, file]() -> Result<> {
      const auto path = fs::path(arguments.directory) / file.path;
      if (is_there(path, file.digest, file.size)) return {};
      const auto fetched = fetch_file(client, path, file.digest, file.size);
      if (!fetched) return std::unexpected(fetched.error().during(printable(file.path)));
      ++got.fetched_files;
      got.fetched_bytes += file.size;
      return {};
    });
  }));
  return workers.wait();
}

Result<> get(const Common& common, const AdminTarget& target, const TreeArguments& arguments) {
  TRY_ASSIGN(const auto place, parse_tree_place(arguments.place));
  TRY_ASSIGN(const auto server, find_server(common, target));
  RepositoryReader reader(server, place.repository, arguments.jobs);
  TRY_ASSIGN(const auto tree, RemoteTree::open(reader.client(), place.reference));
  Got got;
  {
    Progress progress("getting", 0);
    TRY(get_all(tree, reader.client(), arguments, got, progress));
  }
  if (got.files == 0)
    return fail(Failure::not_found, fmt::format("{} has no '{}'", arguments.place, printable(arguments.path)));
  if (common.json)
    fmt::print("{}\n", text_of({{"repository", place.repository},
                                {"digest", tree.digest().text()},
                                {"files", got.files},
                                {"bytes", got.bytes},
                                {"fetched_files", got.fetched_files.load()},
                                {"fetched_bytes", got.fetched_bytes.load()}}));
  else
    fmt::print("{} has {} files, {}, of {}; {} of them, {}, were fetched\n", arguments.directory, got.files,
               human_size(got.bytes), tree.digest().text(), got.fetched_files.load(), human_size(got.fetched_bytes));
  return {};
}

int done(const Result<>& result) { return result ? exit_done : report(result.error()); }

}  // namespace

int run_tree_ls(const Common& common, const AdminTarget& target, const TreeArguments& arguments) {
  return done(list(common, target, arguments));
}

int run_tree_diff(const Common& common, const AdminTarget& target, const TreeArguments& arguments) {
  return done(compare(common, target, arguments));
}

int run_tree_get(const Common& common, const AdminTarget& target, const TreeArguments& arguments) {
  return done(get(common, target, arguments));
}

}  // namespace slipway::cli
