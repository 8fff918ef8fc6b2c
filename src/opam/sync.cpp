#include "opam/sync.hpp"

#include "base/clock.hpp"
#include "base/text.hpp"
#include "opam/index_archive.hpp"
#include "opam/package.hpp"
#include "opam/repository_file.hpp"
#include "publish/media_types.hpp"
#include "publish/object_sender.hpp"
#include "publish/paths.hpp"
#include "publish/remote_tree.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace slipway::opam {
namespace {

using publish::File;
using publish::Listing;
using publish::ShardEntry;
using publish::Snapshot;
using upstream::GitFile;
using Steady = std::chrono::steady_clock;

constexpr const char* repository_file = "repo";
constexpr const char* version_file = "version";
constexpr const char* urls_file = "urls.txt";
constexpr std::string_view packages_folder = "packages/";
constexpr std::size_t findings_max = 1000;

/// What of a commit is published; the rest (README.md, …) is the git repository's own affair.
const std::vector<std::string>& published_paths() {
  static const std::vector<std::string> out{"packages", repository_file, version_file};
  return out;
}

std::string md5_of(std::string_view text) {
  std::array<std::byte, EVP_MAX_MD_SIZE> value{};
  unsigned size = 0;
  SLIPWAY_INVARIANT(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(value.data()), &size,
                               EVP_md5(), nullptr) == 1);
  return to_hex(ByteView(value).first(size));
}

/// opam 1.x fetches `repo` again when this line changes; a full list would be for archives that have none of its form.
std::string urls_text(std::string_view repository) {
  constexpr int mode = 0644;
  return fmt::format("{}\t{}\t{}\n", repository_file, md5_of(repository), mode);
}

class Pass {
public:
  Pass(upstream::GitClone& clone, publish::RegistryClient& client, const SyncOptions& options)
      : m_clone(clone), m_client(client), m_options(options), m_sender(client) {}

  Result<SyncReport> run() {
    auto since = Steady::now();
    const auto lap = [&since] {
      const auto now = Steady::now();
      return std::chrono::duration_cast<std::chrono::milliseconds>(now - std::exchange(since, now));
    };
    TRY_ASSIGN(m_report.commit, m_clone.fetch());
    m_report.fetching = lap();
    m_options.on_phase("fetched");
    TRY(look_at_channel());
    if (m_before.annotations.contains(commit_annotation) && m_before.annotations[commit_annotation] == m_report.commit)
      return std::move(m_report);
    TRY(read_commit());
    m_report.reading = lap();
    m_options.on_phase("read");
    TRY(publish());
    m_report.publishing = lap();
    m_options.on_phase("moved");
    return std::move(m_report);
  }

private:
  Result<> look_at_channel() {
    TRY_ASSIGN(const auto now, m_client.manifest(m_options.channel));
    if (!now) return {};
    auto snapshot = publish::parse_index(now->bytes);
    if (!snapshot)
      return fail(Failure::invalid, fmt::format("{}@{} is no tree but {}: an opam repository cannot be published there",
                                                m_client.address().repository, m_options.channel, now->media_type));
    m_before = std::move(*snapshot);
    m_from = m_report.snapshot = now->digest;
    return {};
  }

  Result<Listing> listing_of(const ShardEntry& shard) {
    TRY_ASSIGN(const auto manifest, m_client.manifest(shard.digest.text()));
    if (!manifest) return fail(Failure::corrupt, "a shard of what is published is not there: " + shard.digest.text());
    TRY_ASSIGN(const auto listing, publish::parse_shard(manifest->bytes));
    TRY_ASSIGN(const auto text, m_client.blob(listing, publish::listing_bytes_max));
    return publish::parse_listing(text);
  }

  // ---- reading

  Result<> read_commit() {
    const auto& known = m_before.annotations[commit_annotation];
    TRY_ASSIGN(auto blobs, m_clone.blobs());
    if (!known.empty() && m_clone.has(known)) {
      TRY_ASSIGN(const auto changes, m_clone.changes(known, m_report.commit, published_paths()));
      for (const auto& change : changes) {
        TRY(read_file(blobs, change));
        if (const auto name = package_of_path(change.path); name && change.is_new && m_changes.contains(change.path))
          m_report.new_packages.push_back(name->text());
      }
    } else {
      TRY(read_all(blobs));
    }
    return read_repository_file(blobs);
  }

  /// Where nothing is known of the commit that is published: everything is compared.
  Result<> read_all(upstream::GitClone::Blobs& blobs) {
    for (const auto& shard : m_before.shards) {
      TRY_ASSIGN(const auto listing, listing_of(shard));
      for (const auto& file : listing.files) m_changes.emplace(file.path, std::nullopt);
    }
    TRY_ASSIGN(const auto files, m_clone.files(m_report.commit, published_paths()));
    for (const auto& file : files) TRY(read_file(blobs, file));
    m_changes.erase(urls_file);
    return {};
  }

  Result<> read_file(upstream::GitClone::Blobs& blobs, const GitFile& file) {
    if (file.path == repository_file) return {};  // which is made
    m_report.looked_at.push_back(printable(file.path));
    auto checked = publish::check_path(file.path);
    if (checked) checked = check_entry_path(file.path);
    if (!checked) {
      find(printable(file.path), checked.error().message);
      return {};
    }
    if (file.object.empty()) {
      if (!file.what.empty()) find(printable(file.path), "it is " + file.what + ", and not published");
      m_changes[file.path] = std::nullopt;
      return {};
    }
    auto text = blobs.read(file.object, file_bytes_max);
    if (!text && text.error().failure != Failure::too_large) return std::unexpected(text.error());
    const auto is_opam = package_of_path(file.path).has_value();
    const auto items = !text     ? std::unexpected(text.error())
                       : is_opam ? parse_file(*text, file.path)
                                 : Result<std::vector<Item>>(std::vector<Item>());
    if (!items) {
      find(file.path, items.error().message + "; what was published of it stays");
      m_changes.erase(file.path);
      return {};
    }
    TRY_ASSIGN(m_changes[file.path], added(file.path, std::move(*text)));
    return {};
  }

  /// It changes with every commit, for it names it. One that cannot be read leaves the one that is published.
  Result<> read_repository_file(upstream::GitClone::Blobs& blobs) {
    m_report.looked_at.emplace_back(repository_file);
    TRY_ASSIGN(const auto found, m_clone.files(m_report.commit, {repository_file}));
    std::string text;
    if (!found.empty() && !found[0].object.empty()) {
      TRY_ASSIGN(text, blobs.read(found[0].object, file_bytes_max));
    }
    auto made = published_repository_file(text, m_report.commit);
    if (!made) {
      find(repository_file, made.error().message + "; what was published of it stays");
      TRY_ASSIGN(const auto old, published_file(repository_file));
      TRY_ASSIGN(made, published_repository_file(old, m_report.commit));
    }
    TRY_ASSIGN(m_changes[urls_file], added(urls_file, urls_text(*made)));
    TRY_ASSIGN(m_changes[repository_file], added(repository_file, std::move(*made)));
    return {};
  }

  /// What the channel has at a path; nothing where it has not.
  Result<std::string> published_file(std::string_view path) {
    const auto* shard = m_before.shard_of(path);
    if (!shard) return std::string();
    TRY_ASSIGN(const auto listing, listing_of(*shard));
    const auto* file = listing.find(path);
    if (!file) return std::string();
    return m_client.blob(file->digest, file_bytes_max);
  }

  Result<std::optional<File>> added(const std::string& path, std::string bytes) {
    File out{.path = path, .digest = {}, .size = bytes.size(), .media_type = media_type(path), .variants = {}};
    TRY_ASSIGN(out.digest, m_sender.add_blob(std::move(bytes)));
    return out;
  }

  static std::string media_type(const std::string& path) {
    const bool is_text = package_of_path(path) || path == repository_file || path == version_file;
    return is_text ? "text/plain; charset=utf-8" : publish::media_type_of(path);
  }

  void find(std::string path, std::string problem) {
    if (m_report.findings.size() < findings_max) m_report.findings.push_back({std::move(path), std::move(problem)});
  }

  // ---- publishing

  Result<> publish() {
    m_report.changes = m_changes.size();
    TRY_ASSIGN(auto after, publish::edit_tree(
                               m_before, m_changes, [this](const ShardEntry& shard) { return listing_of(shard); },
                               [this](publish::Shard shard) { return m_sender.add_shard(std::move(shard)); }));
    if (has_packages(m_before) && !has_packages(after))
      return fail(Failure::invalid, fmt::format("commit {} has no packages: what is published stays", m_report.commit));
    TRY(m_sender.flush());
    m_options.on_phase("sent");
    TRY_ASSIGN(const auto seconds, m_clone.time_of(m_report.commit));
    m_report.committed_at = Timestamp(std::chrono::seconds(seconds));
    TRY(m_options.on_ready(m_report, after));
    after.annotations[commit_annotation] = m_report.commit;
    after.annotations[time_annotation] = rfc3339(m_report.committed_at);
    if (!m_options.source.empty()) after.annotations[source_annotation] = m_options.source;
    TRY_ASSIGN(const auto index, publish::write_index(after));
    m_report.snapshot = digest_of(as_bytes(index));
    TRY(m_client.put_index(m_options.channel, index, m_from));
    m_report.moved = true;
    return m_clone.keep(m_report.commit);
  }

  /// Besides `repo`, `version` and `urls.txt`, which lie behind them.
  static bool has_packages(const Snapshot& snapshot) {
    return !snapshot.shards.empty() && snapshot.shards[0].first.starts_with(packages_folder);
  }

  upstream::GitClone& m_clone;
  publish::RegistryClient& m_client;
  const SyncOptions& m_options;
  publish::ObjectSender m_sender;
  Snapshot m_before;
  std::optional<Digest> m_from;
  publish::TreeChanges m_changes;
  SyncReport m_report;
};

}  // namespace

Result<SyncReport> sync(upstream::GitClone& clone, publish::RegistryClient& client, const SyncOptions& options) {
  return Pass(clone, client, options).run();
}

}  // namespace slipway::opam
