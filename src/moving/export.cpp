#include "moving/export.hpp"

#include "base/workers.hpp"
#include "catalog/keep.hpp"
#include "oci/names.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace slipway::moving {
namespace {

using catalog::EdgeKind;

constexpr std::size_t page = 1000;

/// Whatever hinders to tell is no absence.
template <typename Found>
Result<bool> is_there(const Result<Found>& found) {
  if (found || found.error().failure == Failure::not_found) return found.has_value();
  return std::unexpected(found.error());
}

/// One export. The graph is walked by one thread; copying is the workers'.
class Export {
public:
  Export(catalog::Catalog& catalog, blob::BlobStore& store, OciLayout& layout, const ExportOptions& options,
         const Listener& listener)
      : m_catalog(catalog), m_store(store), m_layout(layout), m_options(options), m_listener(listener),
        m_one_repository(std::ranges::adjacent_find(options.wanted, std::ranges::not_equal_to(), &Wanted::repository) ==
                         options.wanted.end()),
        m_workers(options.jobs) {}

  Result<ExportReport> run() {
    for (const auto& wanted : m_options.wanted) {
      if (std::exchange(m_repository, wanted.repository) != wanted.repository) m_seen.clear();
      TRY(take(wanted));
    }
    TRY(m_workers.wait());
    for (const auto& entry : m_entries)  // what was damaged is not there
      if (m_layout.has(entry.digest, entry.size)) m_layout.list(entry);
    TRY(m_layout.finish());
    return m_report;
  }

private:
  Result<> take(const Wanted& wanted);
  Result<> take_tags();
  Result<> take_untagged();
  Result<> take_tag(const std::string& tag, const catalog::StoredManifest& manifest);
  Result<> reach(const Digest& from);
  Result<> take_manifest(const catalog::StoredManifest& manifest, std::vector<Digest>& waiting);
  Result<> take_edge(const catalog::Edge& edge, const Digest& manifest, std::vector<Digest>& waiting);
  Result<> take_referrers(const Digest& subject, std::vector<Digest>& waiting);
  Result<> take_blob(const Digest& digest, const Digest& manifest);
  Result<> copy_blob(const std::string& repository, const Digest& digest, const catalog::StoredBlob& blob);

  LayoutEntry entry_of(const catalog::StoredManifest& manifest, std::string name) const {
    return {.digest = manifest.digest,
            .media_type = manifest.media_type,
            .size = manifest.bytes->size(),
            .artifact_type = {},
            .name = std::move(name)};
  }
  void tell(const std::string& problem) {
    const std::lock_guard lock(m_mutex);
    ++m_report.problems;
    m_listener.problem(problem);
  }
  void note(const std::string& note) {
    const std::lock_guard lock(m_mutex);
    ++m_report.notes;
    m_listener.note(note);
  }

  catalog::Catalog& m_catalog;
  blob::BlobStore& m_store;
  OciLayout& m_layout;
  const ExportOptions& m_options;
  const Listener& m_listener;
  const bool m_one_repository;
  std::string m_repository;  // at hand
  std::set<Digest> m_seen;   // its manifests that were taken
  std::vector<LayoutEntry> m_entries;

  std::mutex m_mutex;  // guards what follows, and the listener
  ExportReport m_report;
  std::set<Digest> m_copying;

  Workers m_workers;  // the last: its threads use the others
};

// ---- what is wanted

Result<> Export::take(const Wanted& wanted) {
  if (wanted.digest) {
    TRY_ASSIGN(const auto manifest, m_catalog.find_manifest(m_repository, *wanted.digest));
    m_entries.push_back(entry_of(manifest, {}));
    return reach(manifest.digest);
  }
  if (!wanted.tag.empty()) {
    TRY_ASSIGN(const auto manifest, m_catalog.find_tag(m_repository, wanted.tag));
    return take_tag(wanted.tag, manifest);
  }
  TRY(take_tags());
  return m_options.untagged ? take_untagged() : Result<>();
}

Result<> Export::take_tags() {
  std::string after;
  for (;;) {
    TRY_ASSIGN(const auto tags, m_catalog.tags(m_repository, after, page));
    for (const auto& tag : tags) {
      const auto manifest = m_catalog.find_tag(m_repository, tag);
      if (manifest) TRY(take_tag(tag, *manifest));
      // One that was deleted since is not wanted any more.
      if (!manifest && manifest.error().failure != Failure::not_found) return std::unexpected(manifest.error());
    }
    if (tags.size() < page) return {};
    after = tags.back();
  }
}

Result<> Export::take_untagged() {
  for (std::int64_t after = 0;;) {
    TRY_ASSIGN(const auto manifests, m_catalog.manifests(m_repository, after, page));
    for (const auto& listed : manifests) {
      if (m_seen.contains(listed.digest)) continue;
      const auto manifest = m_catalog.find_manifest(m_repository, listed.digest);
      if (!manifest && manifest.error().failure == Failure::not_found) continue;  // since
      if (!manifest) return std::unexpected(manifest.error());
      m_entries.push_back(entry_of(*manifest, {}));
      TRY(reach(listed.digest));
    }
    if (manifests.size() < page) return {};
    after = manifests.back().position;
  }
}

Result<> Export::take_tag(const std::string& tag, const catalog::StoredManifest& manifest) {
  m_entries.push_back(entry_of(manifest, m_one_repository ? tag : m_repository + ":" + tag));
  {
    const std::lock_guard lock(m_mutex);
    ++m_report.tags;
  }
  return reach(manifest.digest);
}

// ---- what that reaches

Result<> Export::reach(const Digest& from) {
  std::vector<Digest> waiting{from};
  while (!waiting.empty()) {
    const auto digest = waiting.back();
    waiting.pop_back();
    if (!m_seen.insert(digest).second) continue;
    const auto manifest = m_catalog.find_manifest(m_repository, digest);
    if (manifest)
      TRY(take_manifest(*manifest, waiting));
    else if (manifest.error().failure != Failure::not_found)
      return std::unexpected(manifest.error());
  }
  return {};
}

Result<> Export::take_manifest(const catalog::StoredManifest& manifest, std::vector<Digest>& waiting) {
  const auto name = fmt::format("manifest {} of repository '{}'", manifest.digest.text(), m_repository);
  if (digest_of(as_bytes(*manifest.bytes), manifest.digest.algorithm()) != manifest.digest) {
    tell(name + ": its bytes are damaged");
    return {};
  }
  if (const auto read = oci::parse_manifest(*manifest.bytes, manifest.media_type, m_options.manifest))
    for (const auto& edge : read->edges) TRY(take_edge(edge, manifest.digest, waiting));
  else
    tell(fmt::format("{}: what it points at is not exported: {}", name, read.error().message));
  if (!m_layout.has(manifest.digest, manifest.bytes->size()))
    TRY(m_layout.put(manifest.digest, [&](const OciLayout::Sink& sink) { return sink(as_bytes(*manifest.bytes)); }));
  {
    const std::lock_guard lock(m_mutex);
    ++m_report.manifests;
  }
  return take_referrers(manifest.digest, waiting);
}

Result<> Export::take_edge(const catalog::Edge& edge, const Digest& manifest, std::vector<Digest>& waiting) {
  if (edge.kind == EdgeKind::subject || (edge.kind == EdgeKind::layer && edge.may_be_absent)) return {};
  if (edge.kind != EdgeKind::child) return take_blob(edge.digest, manifest);
  TRY_ASSIGN(const bool is_manifest, is_there(m_catalog.find_manifest(m_repository, edge.digest)));
  if (is_manifest) {
    waiting.push_back(edge.digest);
    return {};
  }
  TRY_ASSIGN(const bool is_blob, is_there(m_catalog.find_blob(m_repository, edge.digest)));
  if (is_blob) return take_blob(edge.digest, manifest);
  note(fmt::format("manifest {} of repository '{}' lacks {}", manifest.text(), m_repository, edge.digest.text()));
  return {};
}

Result<> Export::take_referrers(const Digest& subject, std::vector<Digest>& waiting) {
  constexpr catalog::PageLimit limit{.count = page, .bytes = 1U << 20};
  for (std::int64_t after = 0;;) {
    TRY_ASSIGN(const auto found, m_catalog.referrers(m_repository, subject, std::nullopt, after, limit));
    for (const auto& referrer : found.referrers) {
      m_entries.push_back({.digest = referrer.digest,
                           .media_type = referrer.media_type,
                           .size = referrer.size,
                           .artifact_type = referrer.artifact_type,
                           .name = {}});
      waiting.push_back(referrer.digest);
      const std::lock_guard lock(m_mutex);
      ++m_report.referrers;
    }
    if (!found.more) return {};
    after = found.referrers.back().position;
  }
}

// ---- blobs

Result<> Export::take_blob(const Digest& digest, const Digest& manifest) {
  const auto blob = m_catalog.find_blob(m_repository, digest);
  if (!blob && blob.error().failure != Failure::not_found) return std::unexpected(blob.error());
  if (!blob) {
    tell(fmt::format("blob {} of repository '{}' is missing; manifest {} points at it", digest.text(), m_repository,
                     manifest.text()));
    return {};
  }
  {
    const std::lock_guard lock(m_mutex);
    if (m_layout.has(digest, blob->size) || !m_copying.insert(digest).second) {
      ++m_report.kept_blobs;
      return {};
    }
  }
  return m_workers.run([this, repository = m_repository, digest, blob = *blob] {
    auto copied = copy_blob(repository, digest, blob);
    const std::lock_guard lock(m_mutex);
    m_copying.erase(digest);
    return copied;
  });
}

Result<> Export::copy_blob(const std::string& repository, const Digest& digest, const catalog::StoredBlob& blob) {
  const auto bytes =
      catalog::open_blob(m_store, blob, {0, blob.size}, [&] { return m_catalog.find_blob(repository, digest); });
  Result<> read;  // apart from what is written, for only the one is told and passed over
  const auto put = !bytes ? Result<>() : m_layout.put(digest, [&](const OciLayout::Sink& sink) {
    Result<> written;
    read = catalog::check_bytes(*bytes, digest, [&](ByteView piece) {
      written = sink(piece);
      const std::lock_guard lock(m_mutex);
      m_listener.copied(piece.size());
      return written;
    });
    if (!written) read = {};
    return written ? read : written;
  });
  const auto& wrong = bytes ? read : Result<>(std::unexpected(bytes.error()));
  if (!wrong) {
    if (wrong.error().failure == Failure::unavailable) return wrong;
    tell(fmt::format("blob {} of repository '{}': {}", digest.text(), repository, wrong.error().message));
    return {};
  }
  TRY(put);
  const std::lock_guard lock(m_mutex);
  ++m_report.copied_blobs;
  m_report.copied_bytes += blob.size;
  return {};
}

}  // namespace

Result<Wanted> Wanted::parse(std::string_view text) {
  Wanted out;
  const auto at = std::min(text.find_first_of("@:"), text.size());
  out.repository = text.substr(0, at);
  if (!oci::is_repository_name(out.repository))
    return fail(Failure::invalid, fmt::format("'{}' is neither REPO, REPO:TAG nor REPO@DIGEST", text));
  if (at == text.size()) return out;
  if (text[at] == '@') {
    TRY_ASSIGN(out.digest, Digest::parse(text.substr(at + 1)));
    return out;
  }
  out.tag = text.substr(at + 1);
  if (!oci::is_tag(out.tag)) return fail(Failure::invalid, fmt::format("'{}' is no name of a tag", out.tag));
  return out;
}

Result<> expect_wanted(catalog::Catalog& catalog, const std::vector<Wanted>& wanted) {
  for (const auto& [repository, tag, digest] : wanted) {
    if (digest)
      TRY(catalog.find_manifest(repository, *digest));
    else if (!tag.empty())
      TRY(catalog.find_tag(repository, tag));
    else
      TRY(catalog.tags(repository, {}, 1));
  }
  return {};
}

Result<ExportReport> export_repositories(catalog::Catalog& catalog, blob::BlobStore& store, OciLayout& layout,
                                         const ExportOptions& options, const Listener& listener) {
  return Export(catalog, store, layout, options, listener).run();
}

}  // namespace slipway::moving
