#include "catalog/steps.hpp"

#include <unordered_map>

namespace slipway::catalog {
namespace {

sql::Parameter or_null(const std::optional<std::string>& text) {
  return text ? sql::Parameter(std::string_view(*text)) : sql::Parameter(nullptr);
}

using Sets = std::vector<std::vector<sql::Parameter>>;

std::vector<sql::Parameter> set_of(const Digest& digest) {
  return {static_cast<std::int64_t>(digest.algorithm()), digest.value()};
}

/// What has to be there, and is not; all of it where there is no repository. A child may be a member blob, or one of
/// its manifests.
std::vector<Digest> missing_of(sql::Session& session, std::optional<std::int64_t> repository,
                               const NewManifest& manifest) {
  std::vector<Digest> wanted, out;
  Sets sets;
  for (const auto& edge : manifest.edges) {
    if (edge.may_be_absent) continue;
    wanted.push_back(edge.digest);
    auto set = set_of(edge.digest);
    set.emplace_back(repository.value_or(0));
    set.emplace_back(std::int64_t{edge.kind == EdgeKind::child});
    sets.push_back(std::move(set));
  }
  std::vector<bool> is_there(wanted.size());
  if (repository)
    session.run_each(
        "SELECT 1 FROM digest d WHERE d.algorithm = $1 AND d.value = $2 AND (EXISTS (SELECT 1 FROM membership m "
        "WHERE m.repository = $3 AND m.blob = d.blob) OR ($4 = 1 AND EXISTS (SELECT 1 FROM repository_manifest m "
        "WHERE m.repository = $3 AND m.manifest = d.manifest)))",
        sets, [&](std::size_t at, const sql::Row&) { is_there[at] = true; });
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!is_there[i]) out.push_back(wanted[i]);
  return out;
}

/// The rows of what a manifest points at, made where there are none.
std::unordered_map<Digest, std::int64_t> ensure_targets(sql::Session& session, const NewManifest& manifest) {
  std::unordered_map<Digest, std::int64_t> out;
  std::vector<const Digest*> digests;
  Sets sets;
  for (const auto& edge : manifest.edges)
    if (out.try_emplace(edge.digest, 0).second) {
      digests.push_back(&edge.digest);
      sets.push_back(set_of(edge.digest));
    }
  session.run_each("SELECT id FROM digest WHERE algorithm = $1 AND value = $2", sets,
                   [&](std::size_t at, const sql::Row& row) { out[*digests[at]] = row.integer(0); });
  std::erase_if(digests, [&](const Digest* digest) { return out.at(*digest) != 0; });
  sets.clear();
  for (const auto* digest : digests) sets.push_back(set_of(*digest));
  session.run_each("INSERT INTO digest (algorithm, value) VALUES ($1, $2) RETURNING id", sets,
                   [&](std::size_t at, const sql::Row& row) { out[*digests[at]] = row.integer(0); });
  return out;
}

// Two texts, so that each is one walk along an index of its own.
constexpr std::string_view select_referrers =
    "SELECT rm.manifest, d.algorithm, d.value, rm.media_type, LENGTH(m.bytes), m.artifact_type, m.annotations "
    "FROM repository_manifest rm JOIN manifest m ON m.id = rm.manifest JOIN digest d ON d.manifest = m.id "
    "WHERE rm.repository = $1 AND rm.subject = $2 AND rm.manifest > $3 ORDER BY rm.manifest LIMIT $4";
constexpr std::string_view select_referrers_of_type =
    "SELECT rm.manifest, d.algorithm, d.value, rm.media_type, LENGTH(m.bytes), m.artifact_type, m.annotations "
    "FROM repository_manifest rm JOIN manifest m ON m.id = rm.manifest JOIN digest d ON d.manifest = m.id "
    "WHERE rm.repository = $1 AND rm.subject = $2 AND rm.artifact_type = $5 AND rm.manifest > $3 "
    "ORDER BY rm.manifest LIMIT $4";

std::optional<std::int64_t> manifest_of(sql::Session& session, const Digest& digest) {
  return session.number("SELECT manifest FROM digest WHERE algorithm = $1 AND value = $2",
                        {static_cast<std::int64_t>(digest.algorithm()), digest.value()});
}

}  // namespace

std::int64_t Catalog::ensure_manifest(sql::Session& session, const NewManifest& manifest, std::int64_t digest) {
  if (const auto known = manifest_of(session, manifest.digest)) return *known;
  const auto targets = ensure_targets(session, manifest);
  sql::Parameter subject = nullptr;
  for (const auto& edge : manifest.edges)
    if (edge.kind == EdgeKind::subject) subject = targets.at(edge.digest);
  const auto id =
      session
          .number("INSERT INTO manifest (bytes, artifact_type, subject, annotations, created_at) VALUES ($1, $2, $3, "
                  "$4, $5) RETURNING id",
                  {as_bytes(manifest.bytes), or_null(manifest.artifact_type), subject, or_null(manifest.annotations),
                   now()})
          .value();
  session.run("UPDATE digest SET manifest = $1 WHERE id = $2", {id, digest});
  Sets edges;
  for (const auto& edge : manifest.edges)
    edges.push_back({id, static_cast<std::int64_t>(edges.size()), static_cast<std::int64_t>(edge.kind),
                     targets.at(edge.digest), edge.media_type, static_cast<std::int64_t>(edge.size)});
  session.run_each(
      "INSERT INTO edge (manifest, ordinal, kind, digest, media_type, size) VALUES ($1, $2, $3, $4, $5, $6)", edges);
  return id;
}

void Catalog::give_manifest(sql::Session& session, const std::string& repository, std::int64_t repository_id,
                            const NewManifest& manifest, std::int64_t id, const std::string& who) {
  const bool retyped =
      session
          .number("SELECT 1 FROM repository_manifest WHERE repository = $1 AND manifest = $2 AND media_type <> $3",
                  {repository_id, id, manifest.media_type})
          .has_value();
  session.run("INSERT INTO repository_manifest (repository, manifest, media_type, pushed_at, pushed_by, subject, "
              "artifact_type) "
              "SELECT $1, id, $3, $4, $5, subject, artifact_type FROM manifest WHERE id = $2 "
              "ON CONFLICT (repository, manifest) DO UPDATE SET media_type = EXCLUDED.media_type, "
              "pushed_at = EXCLUDED.pushed_at, pushed_by = EXCLUDED.pushed_by",
              {repository_id, id, manifest.media_type, now(), who});
  name_changes(session, cache_key(repository, manifest.digest.text()));
  if (retyped)  // every name of it shows the media type
    session.run("SELECT name FROM tag WHERE repository = $1 AND manifest = $2", {repository_id, id},
                [&](const sql::Row& row) { name_changes(session, cache_key(repository, std::string(row.text(0)))); });
}

Result<Catalog::PutOutcome> Catalog::put_manifest(const std::string& repository, const NewManifest& manifest,
                                                  const std::vector<std::string>& tags, const std::string& who,
                                                  bool children_required, const TagExpectation& expected) {
  PutOutcome outcome;
  constexpr std::size_t many = 32;
  if (children_required && manifest.edges.size() > many) {
    // Before others' writes have to wait for so many questions.
    TRY(m_database.read([&](sql::Session& session) {
      const auto known = session.number("SELECT id FROM repository WHERE name = $1", {repository});
      outcome.missing = missing_of(session, known, manifest);
    }));
    if (!outcome.missing.empty()) return outcome;
  }
  auto written = m_database.write([&](sql::Session& session) -> Result<> {
    outcome = {};
    const auto repository_id = ensure_repository(session, repository);
    outcome.missing = missing_of(session, repository_id, manifest);
    if (children_required && !outcome.missing.empty())
      return fail(Failure::invalid, "children are missing");  // undoes the new repository
    for (const auto& tag : tags) {
      if (!expected || expected(tag_now(session, repository_id, tag))) continue;
      outcome.elsewhere = tag;
      return fail(Failure::conflict, "the tag is elsewhere");
    }

    const auto digest_id = ensure_digest(session, manifest.digest);
    const auto id = ensure_manifest(session, manifest, digest_id);
    give_manifest(session, repository, repository_id, manifest, id, who);
    for (const auto& tag : tags)
      point_tag(session, {repository, repository_id, tag}, {id, digest_id, manifest.digest}, who, TagEvent::push);
    return {};
  });
  const bool is_told = (children_required && !outcome.missing.empty()) || !outcome.elsewhere.empty();
  if (!written && !is_told) return std::unexpected(std::move(written).error());
  outcome.put = written.has_value();
  return outcome;
}

Result<StoredManifest> Catalog::find_manifest(const std::string& repository, const Digest& digest) {
  TRY_ASSIGN(auto found, resolve(cache_key(repository, digest.text()),
                                 "SELECT d.algorithm, d.value, rm.media_type, CASE WHEN d.value = $4 OR "
                                 "LENGTH(m.bytes) > 65536 THEN NULL ELSE m.bytes END "
                                 "FROM digest d JOIN manifest m ON m.id = d.manifest "
                                 "JOIN repository r ON r.name = $3 "
                                 "JOIN repository_manifest rm ON rm.repository = r.id AND rm.manifest = m.id "
                                 "WHERE d.algorithm = $1 AND d.value = $2",
                                 {static_cast<std::int64_t>(digest.algorithm()), digest.value(), repository}));
  if (!found) return fail(Failure::not_found, "repository '" + repository + "' has no manifest " + digest.text());
  return std::move(*found);
}

/// Large ones are not asked for along with others. Those of a digest are always the same, whatever its name stands for
/// by now.
static Result<std::shared_ptr<const std::string>> bytes_of(sql::Database& database, const Digest& digest) {
  std::shared_ptr<const std::string> out;
  TRY(database.read([&](sql::Session& session) {
    session.run(
        "SELECT m.bytes FROM digest d JOIN manifest m ON m.id = d.manifest WHERE d.algorithm = $1 AND d.value = $2",
        {static_cast<std::int64_t>(digest.algorithm()), digest.value()},
        [&](const sql::Row& row) { out = std::make_shared<const std::string>(as_text(row.blob(0))); });
  }));
  return out;
}

/// What a name stands for. After `name`, the statement's last parameter is the digest that the name had when it was
/// looked up last, of which it need not give the bytes again; nor does it give those of more than 64 KiB.
Result<std::optional<StoredManifest>> Catalog::resolve(const std::string& key, std::string_view select,
                                                       std::vector<sql::Parameter> name) {
  std::uint64_t ticket = 0;
  auto known = m_names.find(key, ticket);
  if (known && !m_database.is_shared()) return known;
  name.emplace_back(known ? known->digest.value() : ByteView());
  std::optional<StoredManifest> out;
  TRY(m_database.look_up(select, name, [&](const sql::Row& row) {
    out =
        StoredManifest{Digest(static_cast<Algorithm>(row.integer(0)), row.blob(1)), std::string(row.text(2)), nullptr};
    if (!row.is_null(3)) out->bytes = std::make_shared<const std::string>(as_text(row.blob(3)));
  }));
  if (!out) return out;
  if (!out->bytes && known && known->digest == out->digest) out->bytes = known->bytes;
  if (!out->bytes) {
    TRY_ASSIGN(out->bytes, bytes_of(m_database, out->digest));
    if (!out->bytes) return std::nullopt;  // it was deleted meanwhile
  }
  if (!m_database.is_shared())
    m_names.offer(key, *out, out->bytes->size(), ticket);
  else if (!known || known->bytes != out->bytes)
    m_names.note(key, *out, out->bytes->size());
  return out;
}

Result<std::vector<ListedManifest>> Catalog::manifests(const std::string& repository, std::int64_t after,
                                                       std::size_t limit) {
  std::vector<ListedManifest> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    if (!id) return;
    session.run("SELECT rm.manifest, d.algorithm, d.value FROM repository_manifest rm "
                "JOIN digest d ON d.manifest = rm.manifest WHERE rm.repository = $1 AND rm.manifest > $2 "
                "ORDER BY rm.manifest LIMIT $3",
                {*id, after, static_cast<std::int64_t>(limit)}, [&](const sql::Row& row) {
                  out.push_back({row.integer(0), Digest(static_cast<Algorithm>(row.integer(1)), row.blob(2))});
                });
  }));
  return out;
}

Result<ReferrerPage> Catalog::referrers(const std::string& repository, const Digest& subject,
                                        const std::optional<std::string>& artifact_type, std::int64_t after,
                                        PageLimit limit) {
  constexpr std::size_t descriptor_bytes = 256;  // about, without annotations
  ReferrerPage out;
  TRY(m_database.read([&](sql::Session& session) {
    out = {};
    std::size_t bytes = 0;
    const auto repository_id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    const auto subject_id = session.number("SELECT id FROM digest WHERE algorithm = $1 AND value = $2",
                                           {static_cast<std::int64_t>(subject.algorithm()), subject.value()});
    if (!repository_id || !subject_id) return;
    const auto page = static_cast<std::int64_t>(limit.count + 1);
    const auto take = [&](const sql::Row& row) {
      bytes += descriptor_bytes + row.text(6).size();
      out.more = out.more || out.referrers.size() == limit.count || (bytes > limit.bytes && !out.referrers.empty());
      if (out.more) return;
      const auto text = [&](int column) {
        return row.is_null(column) ? std::nullopt : std::optional(std::string(row.text(column)));
      };
      out.referrers.push_back({.position = row.integer(0),
                               .digest = Digest(static_cast<Algorithm>(row.integer(1)), row.blob(2)),
                               .media_type = std::string(row.text(3)),
                               .size = static_cast<std::uint64_t>(row.integer(4)),
                               .artifact_type = text(5),
                               .annotations = text(6)});
    };
    if (artifact_type)
      session.run(select_referrers_of_type, {*repository_id, *subject_id, after, page, *artifact_type}, take);
    else
      session.run(select_referrers, {*repository_id, *subject_id, after, page}, take);
  }));
  return out;
}

Result<> Catalog::remove_manifest(const std::string& repository, const Digest& digest, const std::string& who) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    const auto repository_id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    const auto id = manifest_of(session, digest);
    const auto removed = !repository_id || !id
                             ? 0
                             : session.run("DELETE FROM repository_manifest WHERE repository = $1 AND manifest = $2",
                                           {*repository_id, *id});
    if (removed == 0)
      return fail(Failure::not_found, "repository '" + repository + "' has no manifest " + digest.text());
    std::vector<std::string> tags;
    session.run("SELECT name FROM tag WHERE repository = $1 AND manifest = $2", {*repository_id, *id},
                [&](const sql::Row& row) { tags.emplace_back(row.text(0)); });
    session.run("DELETE FROM tag WHERE repository = $1 AND manifest = $2", {*repository_id, *id});
    for (const auto& tag : tags) record_tag_move(session, repository, tag, who, TagEvent::removal, std::nullopt);
    session.run("SELECT algorithm, value FROM digest WHERE manifest = $1", {*id}, [&](const sql::Row& row) {
      name_changes(session, cache_key(repository, Digest(static_cast<Algorithm>(row.integer(0)), row.blob(1)).text()));
    });
    return {};
  });
}

}  // namespace slipway::catalog
