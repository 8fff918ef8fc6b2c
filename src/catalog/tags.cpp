#include "catalog/steps.hpp"

namespace slipway::catalog {

Result<StoredManifest> Catalog::find_tag(const std::string& repository, const std::string& tag) {
  TRY_ASSIGN(auto found, resolve(cache_key(repository, tag),
                                 "SELECT d.algorithm, d.value, rm.media_type, CASE WHEN d.value = $3 OR "
                                 "LENGTH(m.bytes) > 65536 THEN NULL ELSE m.bytes END "
                                 "FROM repository r JOIN tag t ON t.repository = r.id "
                                 "JOIN digest d ON d.id = t.digest JOIN manifest m ON m.id = t.manifest "
                                 "JOIN repository_manifest rm ON rm.repository = r.id AND rm.manifest = m.id "
                                 "WHERE r.name = $1 AND t.name = $2",
                                 {repository, tag}));
  if (!found) return fail(Failure::not_found, "repository '" + repository + "' has no tag '" + tag + "'");
  return std::move(*found);
}

Result<> Catalog::remove_tag(const std::string& repository, const std::string& tag, const std::string& who) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    const auto removed =
        session.run("DELETE FROM tag WHERE name = $1 AND repository = (SELECT id FROM repository WHERE name = $2)",
                    {tag, repository});
    if (removed == 0) return fail(Failure::not_found, "repository '" + repository + "' has no tag '" + tag + "'");
    record_tag_move(session, repository, tag, who, std::nullopt);
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
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT name, at, who, digest FROM tag_history WHERE repository = $1 AND ($2 = '' OR name = $2) ORDER "
                "BY id DESC LIMIT $3",
                {repository, tag, static_cast<std::int64_t>(limit)}, [&](const sql::Row& row) {
                  out.push_back({.tag = std::string(row.text(0)),
                                 .at = from_micros(row.integer(1)),
                                 .who = std::string(row.text(2)),
                                 .digest = row.is_null(3) ? std::nullopt : std::optional(std::string(row.text(3)))});
                });
  }));
  return out;
}

}  // namespace slipway::catalog
