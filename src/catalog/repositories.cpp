#include "catalog/steps.hpp"

namespace slipway::catalog {

static Error no_repository(const std::string& name) {
  return {Failure::not_found, "repository '" + name + "' does not exist"};
}

Result<std::vector<std::string>> Catalog::repositories(const std::string& after, std::size_t limit,
                                                       const std::string& kind) {
  std::vector<std::string> names;
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT name FROM repository WHERE name > $1 AND ($3 = '' OR kind = $3) ORDER BY name LIMIT $2",
                {after, static_cast<std::int64_t>(limit), kind},
                [&](const sql::Row& row) { names.emplace_back(row.text(0)); });
  }));
  return names;
}

Result<bool> Catalog::has_repository(const std::string& repository) {
  bool found = false;
  TRY(m_database.read([&](sql::Session& session) {
    found = session.number("SELECT 1 FROM repository WHERE name = $1", {repository}).has_value();
  }));
  return found;
}

Result<RepositoryRecord> Catalog::repository(const std::string& repository) {
  std::optional<RepositoryRecord> out;
  TRY(m_database.read([&](sql::Session& session) {
    std::int64_t id = 0;
    session.run("SELECT id, kind, created_at FROM repository WHERE name = $1", {repository}, [&](const sql::Row& row) {
      id = row.integer(0);
      out = RepositoryRecord{
          .name = repository, .kind = std::string(row.text(1)), .created_at = from_micros(row.integer(2))};
    });
    if (!out) return;
    const auto count = [&](std::string_view text) {
      return static_cast<std::uint64_t>(session.number(text, {id}).value_or(0));
    };
    out->tags = count("SELECT COUNT(*) FROM tag WHERE repository = $1");
    out->manifests = count("SELECT COUNT(*) FROM repository_manifest WHERE repository = $1");
    out->blobs = count("SELECT COUNT(*) FROM membership WHERE repository = $1");
    out->blob_bytes = count(
        "SELECT CAST(SUM(b.size) AS BIGINT) FROM membership m JOIN blob b ON b.id = m.blob WHERE m.repository = $1");
  }));
  if (!out) return std::unexpected(no_repository(repository));
  return *out;
}

Result<std::vector<blob::Location>> Catalog::remove_repository(const std::string& repository, const std::string& who) {
  std::vector<blob::Location> unwanted;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    unwanted.clear();
    const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    if (!id) return std::unexpected(no_repository(repository));
    std::vector<std::string> uploads;
    session.run("SELECT id FROM upload WHERE repository = $1", {*id},
                [&](const sql::Row& row) { uploads.emplace_back(row.text(0)); });
    for (const auto& upload : uploads)
      if (auto bytes = take_upload(session, upload)) unwanted.push_back(std::move(*bytes));
    session.run("INSERT INTO tag_history (repository, name, at, who, digest) SELECT $2, name, $3, $4, NULL FROM tag "
                "WHERE repository = $1",
                {*id, repository, now(), who});
    session.run("DELETE FROM tag WHERE repository = $1", {*id});
    session.run("DELETE FROM repository_manifest WHERE repository = $1", {*id});
    session.run("DELETE FROM pin WHERE repository = $1", {*id});
    session.run("DELETE FROM tally WHERE repository = $1", {repository});
    session.run("DELETE FROM first_published WHERE repository = $1", {repository});
    session.run("DELETE FROM membership WHERE repository = $1", {*id});
    session.run("DELETE FROM cache_entry WHERE repository = $1", {*id});
    session.run("DELETE FROM cache_usage WHERE repository = $1", {*id});
    session.run("DELETE FROM repository WHERE id = $1", {*id});
    session.around_commit(
        [this] {
          m_names.begin_change_of_all();
          m_blobs.begin_change_of_all();
        },
        [this] {
          m_names.end_change();
          m_blobs.end_change();
        });
    return {};
  }));
  return unwanted;
}

Result<Unreachable> Catalog::unreachable() {
  Unreachable out;
  TRY(m_database.read([&](sql::Session& session) {
    session.run(
        "SELECT COUNT(*), CAST(SUM(size) AS BIGINT) FROM blob b WHERE NOT EXISTS (SELECT 1 FROM membership m WHERE "
        "m.blob = b.id)",
        {}, [&](const sql::Row& row) {
          out.blobs = static_cast<std::uint64_t>(row.integer(0));
          out.blob_bytes = static_cast<std::uint64_t>(row.integer(1));
        });
    session.run("SELECT COUNT(*), SUM(LENGTH(bytes)) FROM manifest m WHERE NOT EXISTS "
                "(SELECT 1 FROM repository_manifest r WHERE r.manifest = m.id)",
                {}, [&](const sql::Row& row) {
                  out.manifests = static_cast<std::uint64_t>(row.integer(0));
                  out.manifest_bytes = static_cast<std::uint64_t>(row.integer(1));
                });
  }));
  return out;
}

}  // namespace slipway::catalog
