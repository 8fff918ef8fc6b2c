#include "catalog/steps.hpp"

#include <algorithm>
#include <ranges>

namespace slipway::catalog {
namespace {

/// What tag_history says of an event: nothing of those that its other columns tell.
sql::Parameter stored(TagEvent event) {
  const bool is_plain = event == TagEvent::push || event == TagEvent::removal;
  return is_plain ? sql::Parameter(nullptr) : sql::Parameter(name_of(event));
}

TagEvent event_of(const sql::Row& row, int event, int digest) {
  if (row.is_null(digest)) return TagEvent::removal;
  if (row.is_null(event)) return TagEvent::push;
  return row.text(event) == name_of(TagEvent::promote) ? TagEvent::promote : TagEvent::rollback;
}

/// Newest first; of one tag, or of all where `tag` is empty.
std::vector<TagMove> moves_of(sql::Session& session, const std::string& repository, const std::string& tag,
                              std::size_t limit) {
  const auto digest_of = [](const sql::Row& row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(std::string(row.text(column)));
  };
  std::vector<TagMove> out;
  session.run("SELECT h.name, h.at, h.who, h.event, (SELECT p.digest FROM tag_history p WHERE p.repository = "
              "h.repository AND p.name = h.name AND p.id < h.id ORDER BY p.id DESC LIMIT 1), h.digest "
              "FROM tag_history h WHERE h.repository = $1 AND ($2 = '' OR h.name = $2) ORDER BY h.id DESC LIMIT $3",
              {repository, tag, static_cast<std::int64_t>(limit)}, [&](const sql::Row& row) {
                out.push_back({.tag = std::string(row.text(0)),
                               .at = from_micros(row.integer(1)),
                               .who = std::string(row.text(2)),
                               .event = event_of(row, 3, 5),
                               .from = digest_of(row, 4),
                               .digest = digest_of(row, 5)});
              });
  return out;
}

/// Where a tag was before the move that brought it where it is. Moves come newest first. What was rolled back is not
/// gone back to.
std::optional<std::string> previous_of(std::vector<TagMove> moves) {
  std::vector<std::string> path;
  for (const auto& move : moves | std::views::reverse) {
    if (!move.digest) continue;
    if (move.event == TagEvent::rollback)
      if (const auto known = std::ranges::find(path, *move.digest); known != path.end()) path.erase(known, path.end());
    if (path.empty() || path.back() != *move.digest) path.push_back(*move.digest);
  }
  return path.size() < 2 ? std::nullopt : std::optional(path[path.size() - 2]);
}

Error no_tag(const std::string& repository, const std::string& tag) {
  return {Failure::not_found, "repository '" + repository + "' has no tag '" + tag + "'"};
}

}  // namespace

std::string_view name_of(TagEvent event) {
  switch (event) {
  case TagEvent::push: return "push";
  case TagEvent::promote: return "promote";
  case TagEvent::rollback: return "rollback";
  case TagEvent::removal: break;
  }
  return "delete";
}

std::optional<Digest> tag_now(sql::Session& session, std::int64_t repository, const std::string& tag) {
  std::optional<Digest> out;
  session.run("SELECT d.algorithm, d.value FROM tag t JOIN digest d ON d.id = t.digest WHERE t.repository = $1 AND "
              "t.name = $2",
              {repository, tag},
              [&](const sql::Row& row) { out = Digest(static_cast<Algorithm>(row.integer(0)), row.blob(1)); });
  return out;
}

void Catalog::record_tag_move(sql::Session& session, const std::string& repository, const std::string& tag,
                              const std::string& who, TagEvent event, const std::optional<std::string>& digest) {
  session.run("INSERT INTO tag_history (repository, name, at, who, event, digest) VALUES ($1, $2, $3, $4, $5, $6)",
              {repository, tag, now(), who, stored(event),
               digest ? sql::Parameter(std::string_view(*digest)) : sql::Parameter(nullptr)});
  name_changes(session, cache_key(repository, tag));
}

void Catalog::point_tag(sql::Session& session, const TagPlace& tag, const ManifestRow& manifest, const std::string& who,
                        TagEvent event) {
  session.run("INSERT INTO tag (repository, name, manifest, digest, updated_at) VALUES ($1, $2, $3, $4, $5) "
              "ON CONFLICT (repository, name) DO UPDATE "
              "SET manifest = EXCLUDED.manifest, digest = EXCLUDED.digest, updated_at = EXCLUDED.updated_at",
              {tag.repository_id, tag.name, manifest.id, manifest.digest_id, now()});
  record_tag_move(session, tag.repository, tag.name, who, event, manifest.digest.text());
}

/// To one of the repository's manifests; not_found where it is none.
Result<TagMoved> Catalog::move_tag(sql::Session& session, const TagPlace& tag, const Digest& to, const std::string& who,
                                   TagEvent event) {
  TagMoved out{.from = tag_now(session, tag.repository_id, tag.name), .to = to};
  if (!out.is_new()) return out;
  std::optional<ManifestRow> manifest;
  session.run("SELECT d.manifest, d.id FROM digest d JOIN repository_manifest rm ON rm.manifest = d.manifest "
              "WHERE d.algorithm = $1 AND d.value = $2 AND rm.repository = $3",
              {static_cast<std::int64_t>(to.algorithm()), to.value(), tag.repository_id},
              [&](const sql::Row& row) { manifest.emplace(row.integer(0), row.integer(1), to); });
  if (!manifest)
    return fail(Failure::not_found, "repository '" + tag.repository + "' has no manifest " + to.text() +
                                        (event == TagEvent::rollback ? " any more, if it ever had" : ""));
  point_tag(session, tag, *manifest, who, event);
  return out;
}

Result<TagMoved> Catalog::promote_tag(const std::string& repository, const std::string& source, const std::string& tag,
                                      const std::string& who) {
  Result<TagMoved> out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    const auto to = id ? tag_now(session, *id, source) : std::nullopt;
    if (!to) return std::unexpected(no_tag(repository, source));
    out = move_tag(session, {repository, *id, tag}, *to, who, TagEvent::promote);
    return out ? Result<>() : std::unexpected(out.error());
  }));
  return out;
}

Result<TagMoved> Catalog::roll_back_tag(const std::string& repository, const std::string& tag,
                                        const std::optional<Digest>& to, const std::string& who) {
  constexpr std::size_t moves_max = 1000;
  Result<TagMoved> out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    if (!id || !tag_now(session, *id, tag)) return std::unexpected(no_tag(repository, tag));
    auto target = to;
    if (!target) {
      const auto previous = previous_of(moves_of(session, repository, tag, moves_max));
      if (!previous)
        return fail(Failure::conflict, "'" + tag + "' of repository '" + repository +
                                           "' has never been anywhere else: name the digest it is to go back to");
      TRY_ASSIGN(target, Digest::parse(*previous));
    }
    out = move_tag(session, {repository, *id, tag}, *target, who, TagEvent::rollback);
    return out ? Result<>() : std::unexpected(out.error());
  }));
  return out;
}

Result<StoredManifest> Catalog::find_tag(const std::string& repository, const std::string& tag) {
  TRY_ASSIGN(auto found, resolve(cache_key(repository, tag),
                                 "SELECT d.algorithm, d.value, rm.media_type, CASE WHEN d.value = $3 OR "
                                 "LENGTH(m.bytes) > 65536 THEN NULL ELSE m.bytes END "
                                 "FROM repository r JOIN tag t ON t.repository = r.id "
                                 "JOIN digest d ON d.id = t.digest JOIN manifest m ON m.id = t.manifest "
                                 "JOIN repository_manifest rm ON rm.repository = r.id AND rm.manifest = m.id "
                                 "WHERE r.name = $1 AND t.name = $2",
                                 {repository, tag}));
  if (!found) return std::unexpected(no_tag(repository, tag));
  return std::move(*found);
}

Result<> Catalog::remove_tag(const std::string& repository, const std::string& tag, const std::string& who) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    const auto removed =
        session.run("DELETE FROM tag WHERE name = $1 AND repository = (SELECT id FROM repository WHERE name = $2)",
                    {tag, repository});
    if (removed == 0) return std::unexpected(no_tag(repository, tag));
    record_tag_move(session, repository, tag, who, TagEvent::removal, std::nullopt);
    return {};
  });
}

Result<std::vector<std::string>> Catalog::tags(const std::string& repository, const std::string& after,
                                               std::size_t limit) {
  std::vector<std::string> out;
  bool known = false;
  TRY(m_database.read([&](sql::Session& session) {
    const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    known = id.has_value();
    if (!known) return;
    session.run("SELECT name FROM tag WHERE repository = $1 AND name > $2 ORDER BY name LIMIT $3",
                {*id, after, static_cast<std::int64_t>(limit)},
                [&](const sql::Row& row) { out.emplace_back(row.text(0)); });
  }));
  if (!known) return fail(Failure::not_found, "repository '" + repository + "' does not exist");
  return out;
}

Result<std::vector<TagRecord>> Catalog::tag_records(const std::string& repository, const std::string& after,
                                                    std::size_t limit) {
  std::vector<TagRecord> out;
  bool known = false;
  TRY(m_database.read([&](sql::Session& session) {
    const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    known = id.has_value();
    if (!known) return;
    session.run("SELECT t.name, d.algorithm, d.value, rm.media_type, LENGTH(m.bytes), t.updated_at FROM tag t JOIN "
                "digest d ON d.id = t.digest "
                "JOIN manifest m ON m.id = t.manifest JOIN repository_manifest rm ON rm.repository = t.repository AND "
                "rm.manifest = m.id "
                "WHERE t.repository = $1 AND t.name > $2 ORDER BY t.name LIMIT $3",
                {*id, after, static_cast<std::int64_t>(limit)}, [&](const sql::Row& row) {
                  out.push_back({.name = std::string(row.text(0)),
                                 .digest = Digest(static_cast<Algorithm>(row.integer(1)), row.blob(2)),
                                 .media_type = std::string(row.text(3)),
                                 .manifest_bytes = static_cast<std::uint64_t>(row.integer(4)),
                                 .updated_at = from_micros(row.integer(5))});
                });
  }));
  if (!known) return fail(Failure::not_found, "repository '" + repository + "' does not exist");
  return out;
}

Result<std::vector<std::string>> Catalog::repositories_with(const std::string& tag, std::int64_t& seen) {
  std::vector<std::string> out;
  std::int64_t last = 0;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    last = session.number("SELECT COALESCE(MAX(id), 0) FROM tag_history").value();
    const auto take = [&](const sql::Row& row) { out.emplace_back(row.text(0)); };
    if (seen == 0)
      session.run("SELECT r.name FROM tag t JOIN repository r ON r.id = t.repository WHERE t.name = $1", {tag}, take);
    else if (seen < last)
      session.run("SELECT DISTINCT repository FROM tag_history WHERE id > $1 AND name = $2 AND digest IS NOT NULL",
                  {seen, tag}, take);
  }));
  seen = last;
  return out;
}

Result<std::vector<TagMove>> Catalog::tag_history(const std::string& repository, const std::string& tag,
                                                  std::size_t limit) {
  std::vector<TagMove> out;
  TRY(m_database.read([&](sql::Session& session) { out = moves_of(session, repository, tag, limit); }));
  return out;
}

}  // namespace slipway::catalog
