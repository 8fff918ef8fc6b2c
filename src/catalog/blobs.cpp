#include "catalog/steps.hpp"

namespace slipway::catalog {

Result<StoredBlob> Catalog::find_blob(const std::string& repository, const Digest& digest) {
  const auto key = cache_key(repository, digest.text());
  std::uint64_t ticket = 0;
  if (auto cached = m_blobs.find(key, ticket)) return *cached;
  std::optional<StoredBlob> out;
  TRY(m_database.look_up("SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at FROM digest d "
                         "JOIN blob b ON b.id = d.blob "
                         "JOIN location l ON l.blob = b.id JOIN repository r ON r.name = $3 "
                         "JOIN membership m ON m.repository = r.id AND m.blob = b.id "
                         "WHERE d.algorithm = $1 AND d.value = $2 AND l.state = 1 ORDER BY l.id LIMIT 1",
                         {static_cast<std::int64_t>(digest.algorithm()), digest.value(), repository},
                         [&](const sql::Row& row) { out = blob_of(row); }));
  if (!out) return std::unexpected(no_blob(repository, digest));
  m_blobs.offer(key, *out, sizeof(StoredBlob), ticket);
  return *out;
}

Result<std::vector<std::string>> Catalog::holders(const Digest& digest, std::size_t limit) {
  std::vector<std::string> out;
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT r.name FROM digest d JOIN membership m ON m.blob = d.blob JOIN repository r ON r.id = "
                "m.repository WHERE d.algorithm = $1 AND d.value = $2 LIMIT $3",
                {static_cast<std::int64_t>(digest.algorithm()), digest.value(), static_cast<std::int64_t>(limit)},
                [&](const sql::Row& row) { out.emplace_back(row.text(0)); });
  }));
  return out;
}

Result<StoredBlob> Catalog::find_blob_anywhere(const Digest& digest) {
  std::optional<StoredBlob> out;
  TRY(m_database.look_up(select_known_blob, {static_cast<std::int64_t>(digest.algorithm()), digest.value()},
                         [&](const sql::Row& row) { out = blob_of(row); }));
  if (!out) return fail(Failure::not_found, "no blob " + digest.text());
  return *out;
}

Result<StoredBlob> Catalog::adopt_blob(const std::string& repository, const Digest& digest, const UploadClaim& upload) {
  std::optional<StoredBlob> out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    out = known_blob(session, digest);
    if (!out) return fail(Failure::not_found, "no blob " + digest.text());
    give(session, repository, out->id);
    return end_upload(session, upload, nullptr);
  }));
  return *out;
}

Result<StoredBlob> Catalog::mount_blob(const std::string& to, const std::string& from, const Digest& digest) {
  std::optional<StoredBlob> out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    out = known_blob(session, digest);
    if (!out ||
        !session.number(
            "SELECT 1 FROM repository r JOIN membership m ON m.repository = r.id WHERE r.name = $1 AND m.blob = $2",
            {from, out->id}))
      return std::unexpected(no_blob(from, digest));
    give(session, to, out->id);
    return {};
  }));
  return *out;
}

Result<StoredBlob> Catalog::commit_blob(const std::string& repository, const std::vector<Digest>& digests,
                                        const blob::Location& location, const std::string& store_id,
                                        const UploadClaim& upload, bool replace) {
  SLIPWAY_INVARIANT(!digests.empty());
  TRY_ASSIGN(const auto leftovers, leftovers_of(location));
  std::optional<StoredBlob> out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    out = enter_blob(session, digests, location, store_id, replace);
    if (leftovers) queue_deletion(session, *leftovers);
    give(session, repository, out->id);
    return end_upload(session, upload, &location);
  }));
  return *out;
}

Result<> Catalog::remove_blob(const std::string& repository, const Digest& digest) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    const auto blob = known_blob(session, digest);
    if (blob && session.number("SELECT 1 FROM pin p JOIN repository r ON r.id = p.repository WHERE r.name = $1 AND "
                               "p.blob = $2 LIMIT 1",
                               {repository, blob->id}))
      return fail(Failure::denied, "'" + repository + "' keeps " + digest.text() + " for good: it is pinned");
    const auto removed =
        !blob
            ? 0
            : session.run(
                  "DELETE FROM membership WHERE blob = $1 AND repository = (SELECT id FROM repository WHERE name = $2 "
                  "AND kind <> 'cas')",  // a cache's go with their entries
                  {blob->id, repository});
    if (removed == 0) return std::unexpected(no_blob(repository, digest));
    forget_membership(session, repository, blob->id);
    return {};
  });
}

Result<std::vector<blob::Location>> Catalog::deletions(blob::LocationId after, std::size_t limit,
                                                       std::int64_t journaled, Timestamp queued_until) {
  std::vector<blob::Location> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    session.run("SELECT location, kind, key FROM deletion WHERE location > $1 AND (kind <> 4 OR change <= $3) "
                "AND queued_at <= $4 ORDER BY location LIMIT $2",
                {static_cast<std::int64_t>(number_of(after)), static_cast<std::int64_t>(limit), journaled,
                 to_micros(queued_until)},
                [&](const sql::Row& row) {
                  out.push_back({.id = blob::LocationId(static_cast<std::uint64_t>(row.integer(0))),
                                 .kind = static_cast<blob::LocationKind>(row.integer(1)),
                                 .key = std::string(row.text(2)),
                                 .range = {}});
                });
  }));
  return out;
}

Result<> Catalog::forget_deletion(blob::LocationId id) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("DELETE FROM deletion WHERE location = $1", {static_cast<std::int64_t>(number_of(id))});
    return {};
  });
}

/// Its bytes are a blob's, or are found by the row of something else. In a bucket there may be several objects of one
/// id: whoever took an upload over has left another's.
static bool is_known(sql::Session& session, const blob::Location& object, bool unfinished) {
  if (object.kind == blob::LocationKind::old_pack)
    return session.number("SELECT 1 FROM pack WHERE key = $1", {object.key}).has_value();
  const auto id = static_cast<std::int64_t>(number_of(object.id));
  // A session has bytes outside the catalog once it was claimed, which is what raises its epoch.
  if (unfinished && (session.number("SELECT 1 FROM deletion WHERE location = $1", {id}) ||
                     session.number("SELECT 1 FROM upload WHERE location = $1 AND epoch > 0", {id})))
    return true;
  std::optional<std::string> key;
  session.run("SELECT key FROM location WHERE id = $1", {id}, [&](const sql::Row& row) { key = row.text(0); });
  const auto is_of_a_bucket = [](const std::string& name) { return name.find('.') != name.npos; };
  if (!key || *key == object.key || !is_of_a_bucket(*key) || !is_of_a_bucket(object.key)) return key.has_value();
  return unfinished &&
         session.number("SELECT 1 FROM deletion WHERE kind = $1 AND key LIKE $2 LIMIT 1",
                        {static_cast<std::int64_t>(blob::LocationKind::leftovers), "%" + object.key + "%"});
}

Result<std::vector<blob::Location>> Catalog::unknown(const std::vector<blob::Location>& objects, bool unfinished) {
  std::vector<blob::Location> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    for (const auto& object : objects)
      if (!is_known(session, object, unfinished)) out.push_back(object);
  }));
  return out;
}

Result<> Catalog::for_each_location(const std::function<Result<>(const StoredBlob&, const Digest&)>& each) {
  constexpr std::int64_t page = 1000;
  for (std::int64_t after = 0;;) {
    std::vector<std::pair<StoredBlob, Digest>> found;
    TRY(m_database.read([&](sql::Session& session) {
      found.clear();
      session.run("SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at, d.algorithm, d.value "
                  "FROM location l "
                  "JOIN blob b ON b.id = l.blob JOIN digest d ON d.id = (SELECT MIN(id) FROM digest WHERE blob = b.id) "
                  "WHERE l.id > $1 ORDER BY l.id LIMIT $2",
                  {after, page}, [&](const sql::Row& row) {
                    found.emplace_back(blob_of(row), Digest(static_cast<Algorithm>(row.integer(8)), row.blob(9)));
                  });
    }));
    if (found.empty()) return {};
    for (const auto& [blob, digest] : found) TRY(each(blob, digest));
    after = static_cast<std::int64_t>(number_of(found.back().first.location.id));
  }
}

Result<bool> Catalog::has_location(blob::LocationId id) {
  bool out = false;
  TRY(m_database.read([&](sql::Session& session) {
    out =
        session.number("SELECT id FROM location WHERE id = $1", {static_cast<std::int64_t>(number_of(id))}).has_value();
  }));
  return out;
}

Result<BlobTotals> Catalog::blob_totals() {
  BlobTotals out;
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT COUNT(*), CAST(SUM(length) AS BIGINT) FROM location", {}, [&](const sql::Row& row) {
      out = {static_cast<std::uint64_t>(row.integer(0)), static_cast<std::uint64_t>(row.integer(1))};
    });
  }));
  return out;
}

}  // namespace slipway::catalog
