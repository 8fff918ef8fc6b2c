#include "moving/import.hpp"

#include "base/json.hpp"
#include "base/workers.hpp"
#include "catalog/keep.hpp"
#include "catalog/push.hpp"
#include "oci/names.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <unordered_set>

namespace slipway::moving {
namespace {

using catalog::EdgeKind;

bool is_index(const catalog::NewManifest& manifest) {
  return manifest.media_type == oci::oci_index || manifest.media_type == oci::docker_list;
}

/// Docker's first format, whose layers no client of today reads: {"schemaVersion": 1, …}.
bool is_schema1(const std::string& bytes, const oci::ManifestLimits& limits) {
  const auto json = parse_json(bytes, {.size_max = limits.size_max});
  return json && json->is_object() && json->contains("schemaVersion") && (*json)["schemaVersion"] == 1;
}

/// One import. Its methods that bring something run on the workers' threads.
class Import {
public:
  Import(DockerRegistry& source, const Target* target, const ImportOptions& options, const Listener& listener)
      : m_source(source), m_target(target), m_options(options), m_listener(listener), m_workers(options.jobs) {}

  Result<ImportReport> run() {
    if (m_options.repositories.empty()) {
      TRY(m_source.repositories([&](const std::string& name) { return bring_repository(name); }, told()));
    }
    for (const auto& name : m_options.repositories) {
      TRY_ASSIGN(const bool found, m_source.has_repository(name));
      if (found)
        TRY(bring_repository(name));
      else
        tell("there is no repository '" + name + "' over there");
    }
    return m_report;
  }

private:
  /// Of a repository, to be put after what it lists.
  struct Index {
    Digest data;
    std::vector<Digest> indexes;  ///< that it lists
  };
  using Count = std::uint64_t ImportReport::*;

  Result<> bring_repository(const std::string& repository);
  Result<> bring_indexes(const std::string& repository);
  Result<> bring_blob(const std::string& repository, const Digest& name);
  Result<> copy_blob(const std::string& repository, const Digest& name, const Digest& data, std::uint64_t size);
  Result<> keep(const std::string& repository, const Digest& name, catalog::Push& push);
  Result<> bring_manifest(const std::string& repository, const Digest& name);
  Result<> put_manifest(const std::string& repository, const catalog::NewManifest& manifest);
  Result<> bring_tag(const std::string& repository, const std::string& tag);
  Result<catalog::NewManifest> read_manifest(const Digest& name, const Digest& data);
  Result<> tell_broken_manifest(const std::string& repository, const Digest& name, const Error& error);

  bool has_blob(const std::string& repository, const Digest& name) const {
    const auto known = m_target ? m_target->catalog.find_blob(repository, name) : fail(Failure::not_found, "");
    return known && m_target->store.probe(known->location);
  }
  /// The store has it, and its bytes; what has lost them is healed by copying it.
  bool is_in_store(const Digest& name) const {
    const auto known = m_target ? m_target->catalog.find_blob_anywhere(name) : fail(Failure::not_found, "");
    return known && catalog::is_whole(m_target->store, *known, name);
  }
  /// As the registry deletes: the link goes, its folder stays.
  static bool is_forgotten(const Error& error) { return error.failure == Failure::not_found; }
  bool has_manifest(const std::string& repository, const Digest& name) const {
    return m_target && m_target->catalog.find_manifest(repository, name);
  }

  // ---- what is told

  void count(Count what, std::uint64_t by = 1) {
    const std::lock_guard lock(m_mutex);
    m_report.*what += by;
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
  DockerRegistry::Told told() {
    return [this](const std::string& problem) { tell(problem); };
  }
  /// What is wrong over there is told, unless nothing more can be had from there.
  Result<> pass_over(const std::string& what, const Error& error) {
    if (error.failure == Failure::unavailable) return std::unexpected(error);
    tell(what + ": " + error.message);
    return {};
  }
  /// The first time, in a dry run.
  bool is_new(const Digest& digest) {
    const std::lock_guard lock(m_mutex);
    return m_seen.insert(std::hash<Digest>()(digest)).second;
  }

  DockerRegistry& m_source;
  const Target* m_target;
  const ImportOptions& m_options;
  const Listener& m_listener;

  std::mutex m_mutex;  // guards what follows, and the listener
  ImportReport m_report;
  /// Of the repository at hand: its indexes that are to be put.
  std::map<Digest, Index> m_indexes;
  std::unordered_set<std::size_t> m_seen;  // hashes of digests, for a dry run counts blobs without copying them

  Workers m_workers;  // the last: its threads use the others
};

// ---- a repository: what others point at comes first

Result<> Import::bring_repository(const std::string& repository) {
  count(&ImportReport::repositories);
  auto algorithm = Algorithm::sha256;
  TRY(m_source.layers(
      repository,
      [&](const Digest& name) -> Result<> {
        // The other name of a blob is looked for once it can be found under the first.
        const bool is_other = std::exchange(algorithm, name.algorithm()) != name.algorithm();
        if (auto done = is_other ? m_workers.wait() : Result<>(); !done) return done;
        return m_workers.run([this, repository, name] { return bring_blob(repository, name); });
      },
      told()));
  TRY(m_workers.wait());
  TRY(m_source.manifests(
      repository,
      [&](const Digest& name) {
        return m_workers.run([this, repository, name] { return bring_manifest(repository, name); });
      },
      told()));
  TRY(m_workers.wait());
  TRY(bring_indexes(repository));
  TRY(m_source.tags(
      repository,
      [&](const std::string& tag) {
        return m_workers.run([this, repository, tag] { return bring_tag(repository, tag); });
      },
      told()));
  return m_workers.wait();
}

/// Those first that list no other of them.
Result<> Import::bring_indexes(const std::string& repository) {
  while (!m_indexes.empty()) {
    std::vector<Digest> next;
    for (const auto& [name, index] : m_indexes)
      if (std::ranges::none_of(index.indexes, [&](const Digest& child) { return m_indexes.contains(child); }))
        next.push_back(name);
    SLIPWAY_INVARIANT(!next.empty());  // nobody can make a circle of digests
    for (const auto& name : next)
      TRY(m_workers.run([this, repository, name, data = m_indexes[name].data]() -> Result<> {
        const auto manifest = read_manifest(name, data);
        return manifest ? put_manifest(repository, *manifest)
                        : tell_broken_manifest(repository, name, manifest.error());
      }));
    TRY(m_workers.wait());
    for (const auto& name : next) m_indexes.erase(name);
  }
  return {};
}

// ---- blobs

Result<> Import::bring_blob(const std::string& repository, const Digest& name) {
  const auto what = fmt::format("blob {} of repository '{}'", name.text(), repository);
  if (has_blob(repository, name)) {
    count(&ImportReport::kept_blobs);
    return {};
  }
  const auto data = m_source.layer(repository, name);
  if (!data) return is_forgotten(data.error()) ? Result<>() : pass_over(what, data.error());
  if (is_in_store(name)) {
    if (!m_options.dry_run) TRY(m_target->catalog.adopt_blob(repository, name, {}));
    count(&ImportReport::given_blobs);
    return {};
  }
  const auto size = m_source.size(*data);
  if (!size) return pass_over(what, size.error());
  if (!m_options.dry_run) return copy_blob(repository, name, *data, *size);
  const bool copies = is_new(*data);
  count(copies ? &ImportReport::copied_blobs : &ImportReport::given_blobs);
  if (copies) count(&ImportReport::copied_bytes, *size);
  return {};
}

Result<> Import::copy_blob(const std::string& repository, const Digest& name, const Digest& data, std::uint64_t size) {
  const auto what = fmt::format("blob {} of repository '{}'", name.text(), repository);
  TRY_ASSIGN(auto push, catalog::Push::begin(m_target->catalog, m_target->store,
                                             {.repository = repository,
                                              .kind = "oci",
                                              .who = m_options.who,
                                              .announced = {name.algorithm(), data.algorithm()},
                                              .content_length = size}));
  Result<> written;
  const auto copied = m_source.copy(data, size, [&](ByteView piece) {
    written = push.intake().write(piece);
    const std::lock_guard lock(m_mutex);
    m_listener.copied(piece.size());
    return written;
  });
  if (!written) return written;
  if (!copied) return pass_over(what, copied.error());
  for (const auto& expected : {data, name}) {
    TRY_ASSIGN(const auto found, push.intake().digest(expected.algorithm()));
    if (found != expected) return pass_over(what, {Failure::corrupt, "its bytes have digest " + found.text()});
  }
  TRY(keep(repository, name, push));
  push.ended();
  count(&ImportReport::copied_blobs);
  count(&ImportReport::copied_bytes, size);
  return {};
}

Result<> Import::keep(const std::string& repository, const Digest& name, catalog::Push& push) {
  const auto& target = *m_target;
  return catalog::keep(target.catalog, target.store, push.intake(), name,
                       {.adopt = [&]() -> Result<> {
                          TRY(target.catalog.adopt_blob(repository, name, push.session()));
                          return {};
                        },
                        .commit =
                            [&](const std::vector<Digest>& digests, const blob::Location& location, bool lost) {
                              return target.catalog.commit_blob(repository, digests, location, target.store_id,
                                                                push.session(), lost);
                            }});
}

// ---- manifests

Result<catalog::NewManifest> Import::read_manifest(const Digest& name, const Digest& data) {
  TRY_ASSIGN(const auto size, m_source.size(data));
  if (size > m_options.manifest.size_max)
    return fail(Failure::too_large,
                fmt::format("it is larger than {} (limits.manifest_bytes)", human_size(m_options.manifest.size_max)));
  std::string bytes;
  TRY(m_source.copy(data, size, [&](ByteView piece) -> Result<> {
    bytes.append(as_text(piece));
    return {};
  }));
  const auto found = digest_of(as_bytes(bytes), name.algorithm());
  if (found != name) return fail(Failure::corrupt, "its bytes have digest " + found.text());
  if (is_schema1(bytes, m_options.manifest))
    return fail(Failure::conflict, "it has Docker's schema 1, which is not accepted; its tags are not imported either");
  TRY_ASSIGN(auto manifest, oci::parse_manifest(std::move(bytes), {}, m_options.manifest));
  manifest.digest = name;
  return manifest;
}

/// A manifest of schema 1 is none here, which is nobody's mistake.
Result<> Import::tell_broken_manifest(const std::string& repository, const Digest& name, const Error& error) {
  const auto what = fmt::format("manifest {} of repository '{}'", name.text(), repository);
  if (error.failure != Failure::conflict) return pass_over(what, error);
  note(what + ": " + error.message);
  return {};
}

Result<> Import::bring_manifest(const std::string& repository, const Digest& name) {
  if (has_manifest(repository, name)) {
    count(&ImportReport::kept_manifests);
    return {};
  }
  const auto data = m_source.manifest(repository, name);
  if (!data) return is_forgotten(data.error()) ? Result<>() : tell_broken_manifest(repository, name, data.error());
  const auto manifest = read_manifest(name, *data);
  if (!manifest) return tell_broken_manifest(repository, name, manifest.error());
  if (!is_index(*manifest)) return put_manifest(repository, *manifest);
  std::vector<Digest> indexes;
  for (const auto& edge : manifest->edges)
    if (edge.kind == EdgeKind::child && (edge.media_type == oci::oci_index || edge.media_type == oci::docker_list))
      indexes.push_back(edge.digest);
  const std::lock_guard lock(m_mutex);
  m_indexes.emplace(name, Index{*data, std::move(indexes)});
  return {};
}

/// Over there it is served although it is not whole, and it is here. Of an index that is often meant.
Result<> Import::put_manifest(const std::string& repository, const catalog::NewManifest& manifest) {
  if (!m_options.dry_run) {
    TRY_ASSIGN(const auto put, m_target->catalog.put_manifest(repository, manifest, {}, m_options.who, false));
    if (!put.missing.empty()) {
      auto text = fmt::format("manifest {} of repository '{}' lacks {}", manifest.digest.text(), repository,
                              put.missing.front().text());
      if (put.missing.size() > 1) text += fmt::format(" and {} more", put.missing.size() - 1);
      if (is_index(manifest))
        note(text);
      else
        tell(text);
    }
  }
  count(&ImportReport::new_manifests);
  return {};
}

// ---- tags

Result<> Import::bring_tag(const std::string& repository, const std::string& tag) {
  const auto what = fmt::format("tag '{}' of repository '{}'", tag, repository);
  const auto digest = m_source.tag(repository, tag);
  if (!digest) return pass_over(what, digest.error());
  if (m_target) {
    const auto known = m_target->catalog.find_tag(repository, tag);
    if (known && known->digest == *digest) {
      count(&ImportReport::kept_tags);
      return {};
    }
  }
  if (m_options.dry_run) {
    count(&ImportReport::set_tags);
    return {};
  }
  const auto found = m_target->catalog.find_manifest(repository, *digest);
  if (!found) {
    if (found.error().failure != Failure::not_found) return std::unexpected(found.error());
    note(what + " points at " + digest->text() + ", which was not imported");
    return {};
  }
  TRY_ASSIGN(auto manifest, oci::parse_manifest(*found->bytes, found->media_type, m_options.manifest));
  manifest.digest = *digest;
  TRY(m_target->catalog.put_manifest(repository, manifest, {tag}, m_options.who, false));
  count(&ImportReport::set_tags);
  return {};
}

}  // namespace

Result<ImportReport> import_repositories(DockerRegistry& source, const Target* target, const ImportOptions& options,
                                         const Listener& listener) {
  SLIPWAY_INVARIANT(target || options.dry_run);
  for (const auto& name : options.repositories)
    if (!oci::is_repository_name(name)) return fail(Failure::invalid, "'" + name + "' is no name of a repository");
  return Import(source, target, options, listener).run();
}

}  // namespace slipway::moving
