// Steps that several writes share, each within the transaction of its session.

#include "catalog/steps.hpp"

#include "base/json.hpp"

namespace slipway::catalog {

std::string cache_key(const std::string& repository, const std::string& reference) {
  return repository + '\0' + reference;
}

StoredBlob blob_of(const sql::Row& row) {
  const auto length = static_cast<std::uint64_t>(row.integer(6));
  return {.id = row.integer(0),
          .size = static_cast<std::uint64_t>(row.integer(1)),
          .location = {.id = blob::LocationId(static_cast<std::uint64_t>(row.integer(2))),
                       .kind = static_cast<blob::LocationKind>(row.integer(3)),
                       .key = std::string(row.text(4)),
                       .range = {static_cast<std::uint64_t>(row.integer(5)), length}}};
}

std::int64_t Catalog::ensure_repository(sql::Session& session, const std::string& name) {
  if (const auto id = session.number("SELECT id FROM repository WHERE name = $1", {name})) return *id;
  const auto id = session.number("INSERT INTO repository (name, kind, created_at) VALUES ($1, 'oci', $2) RETURNING id",
                                 {name, now()});
  journal(session, "repository", Json{{"name", name}, {"kind", "oci"}}.dump());
  return id.value();
}

std::int64_t Catalog::ensure_digest(sql::Session& session, const Digest& digest) {
  const auto algorithm = static_cast<std::int64_t>(digest.algorithm());
  if (const auto id =
          session.number("SELECT id FROM digest WHERE algorithm = $1 AND value = $2", {algorithm, digest.value()}))
    return *id;
  return session
      .number("INSERT INTO digest (algorithm, value) VALUES ($1, $2) RETURNING id", {algorithm, digest.value()})
      .value();
}

void Catalog::journal(sql::Session& session, std::string_view event, const std::string& body) {
  session.run("INSERT INTO journal (at, event, body) VALUES ($1, $2, $3)", {now(), event, body});
}

void Catalog::record_tag_move(sql::Session& session, const std::string& repository, const std::string& tag,
                              const std::string& who, const std::optional<std::string>& digest) {
  session.run(
      "INSERT INTO tag_history (repository, name, at, who, digest) VALUES ($1, $2, $3, $4, $5)",
      {repository, tag, now(), who, digest ? sql::Parameter(std::string_view(*digest)) : sql::Parameter(nullptr)});
  journal(
      session, "tag",
      Json{{"repository", repository}, {"tag", tag}, {"digest", digest ? Json(*digest) : Json()}, {"who", who}}.dump());
  name_changes(session, cache_key(repository, tag));
}

void Catalog::end_upload(sql::Session& session, const std::string& id) {
  if (!id.empty()) session.run("DELETE FROM upload WHERE id = $1", {id});
}

void Catalog::name_changes(sql::Session& session, const std::string& key) {
  session.around_commit([this, key] { m_names.begin_change(key); }, [this] { m_names.end_change(); });
}

void Catalog::blob_changes(sql::Session& session, const std::string& key) {
  session.around_commit([this, key] { m_blobs.begin_change(key); }, [this] { m_blobs.end_change(); });
}

std::optional<StoredBlob> Catalog::known_blob(sql::Session& session, const Digest& digest) {
  std::optional<StoredBlob> out;
  session.run(
      "SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length FROM digest d JOIN blob b ON b.id = d.blob "
      "JOIN location l ON l.blob = b.id WHERE d.algorithm = $1 AND d.value = $2 AND l.state = 1 ORDER BY l.id LIMIT 1",
      {static_cast<std::int64_t>(digest.algorithm()), digest.value()},
      [&](const sql::Row& row) { out = blob_of(row); });
  return out;
}

void Catalog::give(sql::Session& session, const std::string& repository, const Digest& digest, std::int64_t blob) {
  const auto added =
      session.run("INSERT INTO membership (repository, blob, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                  {ensure_repository(session, repository), blob, now()});
  if (added > 0) journal(session, "member", Json{{"repository", repository}, {"digest", digest.text()}}.dump());
}

}  // namespace slipway::catalog
