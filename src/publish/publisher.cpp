#include "publish/publisher.hpp"

#include "base/text.hpp"
#include "base/workers.hpp"
#include "oci/batch_format.hpp"
#include "oci/manifest.hpp"
#include "publish/trees.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace slipway::publish {
namespace {

constexpr std::size_t window_files = 4096;  // hashed, asked for and sent together
constexpr std::size_t files_a_job = 32;
constexpr std::size_t batch_bytes = 1U << 20;
constexpr std::size_t batch_blobs = 512;

/// A shard that the channel has not, and its files.
struct Part {
  std::span<const File> files;
  Shard shard;
};

/// What goes in a batch: a file that is read when its turn comes, or a listing.
struct Small {
  Digest digest;
  std::uint64_t size = 0;
  const File* file = nullptr;
  std::string_view listing;
};

class Publication {
public:
  Publication(RegistryClient& client, const PublishOptions& options)
      : m_client(client), m_options(options), m_hashers(std::max(1U, std::thread::hardware_concurrency())),
        m_senders(options.jobs) {}

  Result<PublishReport> run(const std::filesystem::path& path);

private:
  Result<> check_rules() const;
  Result<> look_at_channel();
  Result<bool> hash_window();
  Result<> hash_some(std::span<const FolderFile> window, std::span<File> out);
  Result<> keep_shards(bool is_last);
  Result<> send_parts();
  Result<> send_blobs();
  Result<> send_batches(const std::vector<Small>& blobs);
  Result<> send_batch(std::span<const Small> blobs);
  Result<> send_large(const File& file);
  Result<> move_channel();
  void warn(const std::string& sentence);

  std::optional<SourceFolder> m_folder;
  RegistryClient& m_client;
  const PublishOptions& m_options;

  std::unordered_set<Digest> m_there;  // shards that the channel has
  std::vector<FolderFile> m_window;    // being hashed
  std::vector<File> m_files;           // hashed, and in no shard yet
  std::vector<Part> m_parts;           // of those: being sent
  Snapshot m_snapshot;
  PublishReport m_report;

  std::mutex m_telling;  // guards what follows, and calls of the listener's
  PublishProgress m_progress;

  Workers m_hashers, m_senders;  // the last: they use the others
};

Result<PublishReport> Publication::run(const std::filesystem::path& path) {
  auto folder =
      SourceFolder::open(path, {.exclude = m_options.exclude, .on_warning = [this](const auto& text) { warn(text); }});
  if (!folder) return std::unexpected(folder.error());
  m_folder.emplace(std::move(*folder));
  TRY(check_rules());
  TRY(look_at_channel());
  for (bool more = true; more;) {
    TRY_ASSIGN(more, hash_window());
    TRY(keep_shards(!more));
  }
  if (m_snapshot.files == 0)
    return fail(Failure::invalid, fmt::format("there is no file in {}: nothing is published", path.string()));
  TRY(move_channel());
  m_report.files = m_snapshot.files;
  m_report.bytes = m_snapshot.bytes;
  return m_report;
}

void Publication::warn(const std::string& sentence) {
  const std::lock_guard lock(m_telling);
  m_options.on_warning(sentence);
}

/// What the server would refuse at the end is better said at the beginning.
Result<> Publication::check_rules() const {
  const auto check = [&](const char* name, std::size_t size_max, const auto& parse) -> Result<> {
    const auto file = m_folder->open_file(name);
    if (!file) return {};  // most have none; what is broken is told when its turn comes
    TRY_ASSIGN(const auto stamp, SourceFolder::stamp_of(*file));
    if (stamp.size > size_max)
      return fail(Failure::too_large, fmt::format("{} has {}, and more than {} is too much", name,
                                                  human_size(stamp.size), human_size(size_max)));
    std::string text(stamp.size, '\0');
    TRY_ASSIGN(const auto n, read_some(file->get(), std::as_writable_bytes(std::span(text)), 0));
    text.resize(n);
    const auto parsed = parse(text);
    return parsed ? Result<>() : std::unexpected(parsed.error().during(name));
  };
  TRY(check(redirects_name, redirects_bytes_max, Redirects::parse));
  return check(headers_name, header_rules_bytes_max, HeaderRules::parse);
}

Result<> Publication::look_at_channel() {
  TRY_ASSIGN(const auto now, m_client.manifest(m_options.channel));
  if (!now) return {};
  m_report.from = now->digest;
  const auto snapshot = parse_index(now->bytes);
  if (!snapshot)
    return fail(Failure::conflict, fmt::format("{}@{} is no tree but {}: publish to another channel or repository",
                                               m_client.address().repository, m_options.channel, now->media_type));
  if (!m_options.check_all)
    for (const auto& shard : snapshot->shards) m_there.insert(shard.digest);
  return {};
}

// ---- hashing

/// The next files; false where there are no more.
Result<bool> Publication::hash_window() {
  m_window.clear();
  bool more = true;
  while (more && m_window.size() < window_files) {
    TRY_ASSIGN(auto file, m_folder->next());
    more = file.has_value();
    if (more) m_window.push_back(std::move(*file));
  }
  const std::span<const FolderFile> window(m_window);
  const auto before = m_files.size();
  m_files.resize(before + window.size());
  for (std::size_t at = 0; at < window.size(); at += files_a_job) {
    const auto count = std::min(files_a_job, window.size() - at);
    TRY(m_hashers.run([this, from = window.subspan(at, count), to = std::span(m_files).subspan(before + at, count)] {
      return hash_some(from, to);
    }));
  }
  TRY(m_hashers.wait());
  m_snapshot.files += window.size();
  for (const auto& file : window) m_snapshot.bytes += file.stamp.size;
  return more;
}

Result<> Publication::hash_some(std::span<const FolderFile> window, std::span<File> out) {
  for (std::size_t i = 0; i < window.size(); ++i) {
    TRY_ASSIGN(out[i], hash_file(*m_folder, window[i], m_options.cache, [this](const auto& text) { warn(text); }));
    const std::lock_guard lock(m_telling);
    ++m_progress.files;
    m_progress.bytes += out[i].size;
    m_options.on_progress(m_progress);
  }
  return {};
}

// ---- sending

/// Makes shards of what was hashed; the last one waits for the next files, which may belong to it.
Result<> Publication::keep_shards(bool is_last) {
  auto cuts = cut(m_files);
  if (!is_last && !cuts.empty()) cuts.pop_back();
  m_parts.clear();
  std::size_t done = 0;
  for (const auto files : cuts) {
    auto shard = write_shard(files);
    m_snapshot.shards.push_back({shard.digest, shard.manifest.size(), shard.first});
    if (!m_there.contains(shard.digest)) m_parts.push_back({files, std::move(shard)});
    done += files.size();
  }
  if (m_snapshot.shards.size() > shards_max)
    return fail(Failure::too_large,
                fmt::format("these are more files than a tree can have: the first {} make {} shards", m_snapshot.files,
                            m_snapshot.shards.size()));
  if (!m_parts.empty()) TRY(send_parts());
  m_files.erase(m_files.begin(), m_files.begin() + static_cast<std::ptrdiff_t>(done));
  return {};
}

Result<> Publication::send_parts() {
  if (!m_options.check_all) {
    std::vector<Digest> digests;
    for (const auto& part : m_parts) digests.push_back(part.shard.digest);
    TRY_ASSIGN(const auto missing, m_client.missing(digests));
    std::erase_if(m_parts, [&](const Part& part) { return !missing.contains(part.shard.digest); });
    if (m_parts.empty()) return {};
  }
  TRY(send_blobs());
  for (const auto& part : m_parts)
    TRY(m_senders.run(
        [this, &part] { return m_client.put_manifest(part.shard.digest, oci::oci_manifest, part.shard.manifest); }));
  return m_senders.wait();
}

Result<> Publication::send_blobs() {
  std::unordered_map<Digest, Small> blobs;
  std::vector<Digest> digests;
  const auto want = [&](const Small& blob) {
    if (blobs.try_emplace(blob.digest, blob).second) digests.push_back(blob.digest);
  };
  for (const auto& part : m_parts) {
    for (const auto& file : part.files) want({.digest = file.digest, .size = file.size, .file = &file});
    want({.digest = part.shard.listing_digest, .size = part.shard.listing.size(), .listing = part.shard.listing});
  }
  TRY_ASSIGN(const auto missing, m_client.missing(digests));
  std::vector<Small> small;
  for (const auto& digest : digests) {
    if (!missing.contains(digest)) continue;
    const auto& blob = blobs.at(digest);
    if (blob.size <= oci::batched_bytes_max)
      small.push_back(blob);
    else if (blob.file)
      TRY(m_senders.run([this, file = blob.file] { return send_large(*file); }));
    else
      TRY(m_senders.run([this, blob] { return m_client.put_blob(blob.digest, as_bytes(blob.listing)); }));
  }
  TRY(send_batches(small));
  return m_senders.wait();
}

Result<> Publication::send_batches(const std::vector<Small>& blobs) {
  for (std::size_t at = 0; at < blobs.size();) {
    std::size_t count = 0, bytes = 0;
    while (at + count < blobs.size() && count < batch_blobs && bytes < batch_bytes) bytes += blobs[at + count++].size;
    TRY(m_senders.run([this, batch = std::vector(blobs.begin() + static_cast<std::ptrdiff_t>(at),
                                                 blobs.begin() + static_cast<std::ptrdiff_t>(at + count))] {
      return send_batch(batch);
    }));
    at += count;
  }
  return {};
}

Result<> Publication::send_batch(std::span<const Small> blobs) {
  std::string body, bytes;
  for (const auto& blob : blobs) {
    if (!blob.file) {
      oci::append_batched(body, blob.digest, as_bytes(blob.listing));
      continue;
    }
    TRY_ASSIGN(const auto file, m_folder->open_file(blob.file->path));
    bytes.resize(blob.size);
    const auto n = read_some(file.get(), std::as_writable_bytes(std::span(bytes)), 0);
    if (!n) return std::unexpected(n.error().during("'" + printable(blob.file->path) + "'"));
    if (*n != blob.size || digest_of(as_bytes(bytes)) != blob.digest)
      return std::unexpected(changed_meanwhile(blob.file->path));
    oci::append_batched(body, blob.digest, as_bytes(bytes));
  }
  return m_client.put_batch(body, blobs.size());
}

Result<> Publication::send_large(const File& file) {
  TRY_ASSIGN(auto opened, m_folder->open_file(file.path));
  const auto sent = m_client.put_blob(file.digest, {std::make_shared<const Fd>(std::move(opened)), {0, file.size}});
  const bool is_other =
      !sent && (sent.error().failure == Failure::conflict || sent.error().failure == Failure::corrupt);
  return is_other ? std::unexpected(changed_meanwhile(file.path)) : sent;
}

Result<> Publication::move_channel() {
  TRY_ASSIGN(const auto index, write_index(m_snapshot));
  m_report.digest = digest_of(as_bytes(index));
  m_report.moved = m_report.from != m_report.digest && m_options.unless != m_report.digest;
  return m_report.moved ? m_client.put_index(m_options.channel, index, m_report.from) : Result<>();
}

}  // namespace

Result<PublishReport> publish_folder(const std::filesystem::path& folder, RegistryClient& client,
                                     const PublishOptions& options) {
  return Publication(client, options).run(folder);
}

}  // namespace slipway::publish
