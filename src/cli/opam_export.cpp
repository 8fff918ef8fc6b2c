// slipway opam export: an opam repository as plain files.

#include "base/json.hpp"
#include "base/text.hpp"
#include "base/workers.hpp"
#include "cli/ask_server.hpp"
#include "cli/local_files.hpp"
#include "cli/progress.hpp"
#include "cli/tree_place.hpp"
#include "opam/index_archive.hpp"
#include "opam/package.hpp"
#include "publish/remote_tree.hpp"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;
using publish::File;
using publish::RemoteTree;

/// What is there already is of this snapshot; a file of ours in the folder.
constexpr const char* snapshot_file = ".slipway-snapshot";
/// Clients look at these first: they come when what they lead to is there.
bool comes_last(std::string_view path) { return path == "repo" || path == "version" || path == "urls.txt"; }
constexpr std::size_t page_size = 1000;

class Export {
public:
  Export(const ServerAccess& server, const TreePlace& place, const OpamArguments& arguments)
      : m_server(server), m_place(place), m_folder(arguments.directory), m_jobs(arguments.jobs),
        m_reader(server, place.repository, arguments.jobs + 1) {}

  Result<Json> run(bool with_sources) {
    TRY_ASSIGN(const auto tree, RemoteTree::open(m_reader.client(), m_place.reference));
    const auto before = known_snapshot();
    if (before && before->digest() == tree.digest()) {
      m_files = tree.snapshot().files;
    } else {
      TRY(get_files(tree, before));
    }
    if (with_sources) TRY(get_sources());
    if (!before || before->digest() != tree.digest()) TRY(finish(tree));
    return Json{{"repository", m_place.repository},
                {"snapshot", tree.digest().text()},
                {"files", m_files},
                {"fetched_files", m_fetched.load()},
                {"removed_files", m_gone.size()},
                {"sources", m_sources.load()},
                {"fetched_sources", m_fetched_sources.load()},
                {"fetched_bytes", m_bytes.load()}};
  }

private:
  /// What the folder has, if the server still knows it.
  std::optional<RemoteTree> known_snapshot() {
    const auto text = read_file(m_folder / snapshot_file, 1024);
    if (!text) return std::nullopt;
    auto tree = RemoteTree::open(m_reader.client(), text->substr(0, text->find('\n')));
    return tree ? std::optional(std::move(*tree)) : std::nullopt;
  }

  Result<> get_files(const RemoteTree& tree, const std::optional<RemoteTree>& before) {
    Workers workers(m_jobs);
    const auto get = [&](const File& file) {
      return comes_last(file.path) ? Result<>() : workers.run([this, file] { return get_file(file); });
    };
    if (before) {
      TRY(publish::compare(*before, tree, [&](publish::Difference difference, const File& file) -> Result<> {
        if (difference != publish::Difference::removed) return get(file);
        m_gone.push_back(file.path);
        return {};
      }));
    } else {
      TRY(tree.for_each("", get));
      TRY(find_strangers(tree));
    }
    m_files = tree.snapshot().files;
    return workers.wait();
  }

  Result<> get_file(const File& file) {
    const auto path = m_folder / file.path;
    if (is_there(path, file.digest, file.size)) return {};
    const auto fetched = fetch_file(m_reader.client(), path, file.digest, file.size);
    if (!fetched) return std::unexpected(fetched.error().during(printable(file.path)));
    ++m_fetched;
    m_bytes += file.size;
    tell();
    return {};
  }

  /// Packages that the folder has from before, and the tree has not.
  Result<> find_strangers(const RemoteTree& tree) {
    std::set<std::string> known;
    TRY(tree.for_each("packages/", [&](const File& file) -> Result<> {
      known.insert(file.path);
      return {};
    }));
    std::error_code error;
    for (fs::recursive_directory_iterator each(m_folder / "packages", error), end; !error && each != end;
         each.increment(error)) {
      const auto path = each->path().lexically_relative(m_folder).generic_string();
      if (!each->is_directory(error) && !known.contains(path)) m_gone.push_back(path);
    }
    return {};
  }

  // ---- sources

  Result<> get_sources() {
    Workers workers(m_jobs);
    const auto* operation = admin::operation_named("opam/sources");
    admin::Parameters parameters{{"repository", m_place.repository},
                                 {"channel", m_place.reference},
                                 {"state", "kept"},
                                 {"n", std::to_string(page_size)}};
    for (bool more = true; more;) {
      TRY_ASSIGN(const auto page, ask_server(m_server, *operation, parameters));
      for (const auto& source : page.at("sources")) TRY(workers.run([this, source] { return get_source(source); }));
      more = page.value("more", false);
      parameters["last"] = page.value("last", "");
    }
    return workers.wait();
  }

  /// Under its strongest checksum; under the others as a second name of that file.
  Result<> get_source(const Json& source) {
    std::vector<opam::Checksum> checksums;
    for (const auto& text : source.at("checksums"))
      if (auto checksum = opam::Checksum::parse(text.get<std::string>())) checksums.push_back(std::move(*checksum));
    std::ranges::sort(checksums, std::greater(), &opam::Checksum::kind);
    TRY_ASSIGN(const auto digest, Digest::parse(string_at(source, "digest")));
    const auto size = source.at("size").get<std::uint64_t>();
    ++m_sources;
    if (checksums.empty()) return {};
    const auto path = m_folder / "cache" / checksums[0].cache_path();
    std::error_code error;
    // What was checked when it came, and has its size, is not read again: sources are many gigabytes.
    if (fs::file_size(path, error) != size || error) {
      TRY(fetch_file(m_reader.client(), path, digest, size));
      ++m_fetched_sources;
      m_bytes += size;
      tell();
    }
    for (const auto& other : std::span(checksums).subspan(1)) TRY(link(path, m_folder / "cache" / other.cache_path()));
    return {};
  }

  static Result<> link(const fs::path& path, const fs::path& other) {
    std::error_code error;
    if (fs::equivalent(path, other, error)) return {};
    fs::create_directories(other.parent_path(), error);
    fs::remove(other, error);
    fs::create_hard_link(path, other, error);
    if (error) fs::create_symlink(fs::relative(path, other.parent_path()), other, error);
    return error ? fail_errno(error.value(), "making " + other.string()) : Result<>();
  }

  // ---- the end

  Result<> finish(const RemoteTree& tree) {
    TRY(write_index(tree));
    for (const auto* path : {"version", "urls.txt", "repo"})
      TRY(tree.for_each(path, [&](const File& file) { return file.path == path ? get_file(file) : Result<>(); }));
    std::error_code error;
    for (const auto& path : m_gone) {
      fs::remove(m_folder / path, error);
      for (auto above = fs::path(path).parent_path(); above.has_parent_path(); above = above.parent_path())
        if (!fs::remove(m_folder / above, error)) break;  // it has something else
    }
    return write_aside(m_folder / snapshot_file,
                       [&](int fd) { return write_all(fd, as_bytes(tree.digest().text() + "\n"), 0); });
  }

  /// The same bytes as the server's.
  Result<> write_index(const RemoteTree& tree) {
    std::vector<std::shared_ptr<const opam::ArchivePiece>> pieces(tree.snapshot().shards.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      TRY_ASSIGN(const auto listing, tree.listing(tree.snapshot().shards[i]));
      std::string archive;
      for (const auto& file : listing.files) {
        if (!opam::is_in_index(file.path)) continue;
        // What comes last is not there yet.
        auto text = comes_last(file.path) ? m_reader.client().blob(file.digest, opam::file_bytes_max)
                                          : read_file(m_folder / file.path, opam::file_bytes_max);
        if (!text) return std::unexpected(text.error());
        TRY(opam::append_entry(archive, file.path, *text));
      }
      pieces[i] = std::make_shared<const opam::ArchivePiece>(opam::compress_piece(archive));
    }
    return write_aside(m_folder / "index.tar.gz", [&](int fd) {
      return opam::write_archive(pieces, [fd, at = std::uint64_t{0}](ByteView bytes) mutable -> Result<> {
        TRY(write_all(fd, bytes, at));
        at += bytes.size();
        return {};
      });
    });
  }

  void tell() {
    const std::lock_guard lock(m_progress_mutex);
    m_progress.tell([&] {
      return fmt::format("{} files and {} sources fetched, {}", m_fetched.load(), m_fetched_sources.load(),
                         human_size(m_bytes));
    });
  }

  const ServerAccess m_server;
  const TreePlace m_place;
  const fs::path m_folder;
  const unsigned m_jobs;
  RepositoryReader m_reader;
  std::vector<std::string> m_gone;
  std::uint64_t m_files = 0;
  std::atomic<std::uint64_t> m_fetched{0}, m_sources{0}, m_fetched_sources{0}, m_bytes{0};
  std::mutex m_progress_mutex;  // guards the next
  Progress m_progress{"exporting", 0};
};

}  // namespace

int run_opam_export(const Common& common, const AdminTarget& target, const OpamArguments& arguments) {
  const auto place = parse_channel_place(arguments.place);
  if (!place) return report(place.error());
  const auto server = find_server(common, target);
  if (!server) return report(server.error());
  const auto done = Export(*server, *place, arguments).run(!arguments.without_sources);
  if (!done) return report(done.error());
  if (common.json) {
    fmt::print("{}\n", done->dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    const auto number = [&](const char* name) { return done->at(name).get<std::uint64_t>(); };
    fmt::print("{} is as {}: {} files, of which {} were fetched; {} sources, {}; {}\n", arguments.directory,
               string_at(*done, "snapshot"), number("files"), number("fetched_files"), number("sources"),
               number("fetched_sources"), human_size(number("fetched_bytes")));
  }
  return exit_done;
}

}  // namespace slipway::cli
