// slipway opam import-cache: sources that somebody else has kept.

#include "base/json.hpp"
#include "base/text.hpp"
#include "base/workers.hpp"
#include "cli/ask_server.hpp"
#include "cli/local_files.hpp"
#include "cli/progress.hpp"
#include "cli/tree_place.hpp"
#include "opam/repository_view.hpp"
#include "opam/source_spool.hpp"

#include <atomic>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;
using opam::Checksum;

constexpr std::size_t page_size = 1000;
constexpr std::size_t problems_max = 1000;

class Import {
public:
  Import(const ServerAccess& server, const TreePlace& place, const OpamArguments& arguments)
      : m_server(server), m_place(place), m_from(arguments.from), m_jobs(arguments.jobs),
        m_reader(server, place.repository, arguments.jobs + 1), m_mirror(arguments.jobs) {}

  Result<Json> run() {
    const bool is_url = m_from.starts_with("http://") || m_from.starts_with("https://");
    TRY(is_url ? take_mirror() : take_folder());
    return Json{{"repository", m_place.repository}, {"found", m_found.load()},        {"kept", m_kept.load()},
                {"kept_bytes", m_bytes.load()},     {"already_kept", m_known.load()}, {"problems", m_problems}};
  }

private:
  // ---- a folder: everything in it

  Result<> take_folder() {
    fs::path folder = m_from;
    std::error_code error;
    if (fs::is_directory(folder / "cache", error)) folder /= "cache";
    bool is_cache = false;
    Workers workers(m_jobs);
    // The strong ones first: the names of the others lead to the same files.
    for (const auto kind : {Checksum::Kind::sha512, Checksum::Kind::sha256, Checksum::Kind::md5}) {
      const auto below = folder / opam::name_of(kind);
      if (!fs::is_directory(below, error)) continue;
      is_cache = true;
      for (fs::recursive_directory_iterator each(below, error), end; !error && each != end; each.increment(error)) {
        const auto checksum = opam::checksum_of_path(each->path().lexically_relative(folder).generic_string());
        if (!checksum || !fs::is_regular_file(each->path(), error)) continue;  // a link to a file is one, too
        TRY(workers.run([this, path = each->path(), checksum = *checksum] { return take_file(path, checksum); }));
      }
      if (error) return fail_errno(error.value(), "reading " + below.string());
      TRY(workers.wait());
    }
    if (!is_cache)
      return fail(Failure::not_found, fmt::format("{} has none of md5, sha256 and sha512, as a cache has", m_from));
    return {};
  }

  Result<> take_file(const fs::path& path, const Checksum& checksum) {
    ++m_found;
    TRY_ASSIGN(auto file, open_file(path, O_RDONLY));
    const auto shared = std::make_shared<const Fd>(std::move(file));
    opam::SourceHasher hasher;
    std::vector<std::byte> buffer(256U << 10);
    std::uint64_t size = 0;
    for (;;) {
      TRY_ASSIGN(const auto n, read_some(shared->get(), buffer, size));
      if (n == 0) break;
      hasher.update(ByteView(buffer).first(n));
      size += n;
    }
    return keep(path.string(), {checksum}, hasher.checksums(), {shared, {0, size}});
  }

  // ---- a mirror: what packages name and is missing

  Result<> take_mirror() {
    const auto* operation = admin::operation_named("opam/sources");
    admin::Parameters parameters{{"repository", m_place.repository},
                                 {"channel", m_place.reference},
                                 {"state", "missing"},
                                 {"n", std::to_string(page_size)}};
    Workers workers(m_jobs);
    for (bool more = true; more;) {
      TRY_ASSIGN(const auto page, ask_server(m_server, *operation, parameters));
      for (const auto& source : page.at("sources")) {
        std::vector<Checksum> listed;
        for (const auto& text : source.at("checksums"))
          if (auto checksum = Checksum::parse(text.get<std::string>())) listed.push_back(std::move(*checksum));
        TRY(workers.run([this, listed = std::move(listed)] { return take_from_mirror(listed); }));
      }
      more = page.value("more", false);
      parameters["last"] = page.value("last", "");
    }
    return workers.wait();
  }

  Result<> take_from_mirror(const std::vector<Checksum>& listed) {
    TRY_ASSIGN(auto spooled, opam::SourceSpool::open(fs::temp_directory_path()));
    // A mirror may have it under one of its names only.
    for (const auto& checksum : listed) {
      TRY(spooled.restart());
      const auto url = m_from + (m_from.ends_with('/') ? "" : "/") + checksum.cache_path();
      const auto got = upstream::download(m_mirror, url, spooled, {.may_be_private = true});
      if (!got && got.error().failure == Failure::not_found) continue;
      ++m_found;
      if (!got) {
        tell_problem(got.error().message);
        return {};
      }
      return keep(url, listed, spooled.checksums(), spooled.slice());
    }
    return {};
  }

  // ---- either

  Result<> keep(const std::string& from, const std::vector<Checksum>& listed, const std::vector<Checksum>& actual,
                const FileSlice& bytes) {
    std::vector<std::string> names;
    for (const auto& checksum : listed) {
      if (std::ranges::find(actual, checksum) == actual.end()) {
        tell_problem(fmt::format("{} has not the {} {}: it is not kept", printable(from, 1000), name_of(checksum.kind),
                                 checksum.hex));
        return {};
      }
      names.push_back(checksum.text());
    }
    const auto& sha256 = *std::ranges::find(actual, Checksum::Kind::sha256, &Checksum::kind);
    TRY_ASSIGN(const auto digest, Digest::parse("sha256:" + sha256.hex));
    TRY_ASSIGN(const auto missing, m_reader.client().missing({digest}));
    if (!missing.empty()) {
      TRY(m_reader.client().put_blob(digest, bytes));
      ++m_kept;
      m_bytes += bytes.range.length;
    } else {
      ++m_known;
    }
    const auto* operation = admin::operation_named("opam/keep");
    TRY_ASSIGN(const auto answer, ask_server(m_server, *operation,
                                             {{"repository", m_place.repository},
                                              {"digest", digest.text()},
                                              {"checksums", fmt::format("{}", fmt::join(names, ","))}}));
    for (const auto& taken : answer.at("taken"))
      tell_problem(fmt::format("{}: other bytes are kept as {} already, and stay", printable(from, 1000),
                               taken.get<std::string>()));
    const std::lock_guard lock(m_mutex);
    m_progress.tell([&] {
      return fmt::format("{} sources, {} of them new, {}", m_found.load(), m_kept.load(), human_size(m_bytes));
    });
    return {};
  }

  void tell_problem(const std::string& sentence) {
    const std::lock_guard lock(m_mutex);
    if (m_problems.size() == problems_max) return;
    m_problems.push_back(sentence);
    m_progress.say("warning: " + sentence);
  }

  const ServerAccess m_server;
  const TreePlace m_place;
  const std::string m_from;
  const unsigned m_jobs;
  RepositoryReader m_reader;
  http::Client m_mirror;
  std::atomic<std::uint64_t> m_found{0}, m_kept{0}, m_known{0}, m_bytes{0};
  std::mutex m_mutex;  // guards what follows
  std::vector<std::string> m_problems;
  Progress m_progress{"importing", 0};
};

}  // namespace

int run_opam_import_cache(const Common& common, const AdminTarget& target, const OpamArguments& arguments) {
  const auto place = parse_channel_place(arguments.place);
  if (!place) return report(place.error());
  const auto server = find_server(common, target);
  if (!server) return report(server.error());
  const auto done = Import(*server, *place, arguments).run();
  if (!done) return report(done.error());
  const auto number = [&](const char* name) { return done->at(name).get<std::uint64_t>(); };
  const auto problems = done->at("problems").size();
  if (common.json)
    fmt::print("{}\n", done->dump(2, ' ', false, Json::error_handler_t::replace));
  else
    fmt::print("{} sources found: {} are new, {}; {} were there; {} cannot be kept\n", number("found"), number("kept"),
               human_size(number("kept_bytes")), number("already_kept"), problems);
  return problems == 0 ? exit_done : exit_failed;
}

}  // namespace slipway::cli
