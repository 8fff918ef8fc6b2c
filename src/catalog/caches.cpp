// Plain HTTP caches: entries, when they were used, and making room.

#include "catalog/steps.hpp"

namespace slipway::catalog {
namespace {

std::optional<std::int64_t> cache_id(sql::Session& session, const std::string& cache) {
  return session.number("SELECT id FROM repository WHERE name = $1 AND kind = 'cas'", {cache});
}

void change_usage(sql::Session& session, std::int64_t repository, std::int64_t entries, std::int64_t bytes) {
  session.run("INSERT INTO cache_usage (repository, entries, bytes) VALUES ($1, $2, $3) ON CONFLICT (repository) DO "
              "UPDATE SET entries = cache_usage.entries + EXCLUDED.entries, bytes = cache_usage.bytes + EXCLUDED.bytes",
              {repository, entries, bytes});
}

}  // namespace

Result<CacheEntry> Catalog::find_entry(const std::string& cache, const std::string& key) {
  std::optional<CacheEntry> out;
  TRY(m_database.look_up(
      "SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at, d.algorithm, d.value FROM "
      "repository r "
      "JOIN cache_entry e ON e.repository = r.id JOIN digest d ON d.id = e.digest JOIN blob b ON b.id = e.blob "
      "JOIN location l ON l.blob = b.id WHERE r.name = $1 AND e.key = $2 AND l.state = 1 ORDER BY l.id LIMIT 1",
      {cache, key}, [&](const sql::Row& row) {
        out = CacheEntry{Digest(static_cast<Algorithm>(row.integer(8)), row.blob(9)), blob_of(row)};
      }));
  if (!out) return fail(Failure::not_found, "cache '" + cache + "' has nothing under this key");
  return *out;
}

Result<EntryPut> Catalog::adopt_entry(const std::string& cache, const std::string& key, const Digest& digest,
                                      const UploadClaim& upload) {
  std::optional<EntryPut> out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    const auto known = known_blob(session, digest);
    if (!known) return fail(Failure::not_found, "no blob " + digest.text());
    out = EntryPut{*known, put_entry(session, cache, key, digest, *known)};
    return end_upload(session, upload, nullptr);
  }));
  return *out;
}

Result<EntryPut> Catalog::commit_entry(const std::string& cache, const std::string& key,
                                       const std::vector<Digest>& digests, const blob::Location& location,
                                       const std::string& store_id, bool replace, const UploadClaim& upload) {
  SLIPWAY_INVARIANT(!digests.empty());
  TRY_ASSIGN(const auto leftovers, leftovers_of(location));
  std::optional<EntryPut> out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    const auto blob = enter_blob(session, digests, location, store_id, replace);
    if (leftovers) queue_deletion(session, *leftovers);
    out = EntryPut{blob, put_entry(session, cache, key, digests.front(), blob)};
    return end_upload(session, upload, &location);
  }));
  return *out;
}

Result<std::vector<blob::Location>> Catalog::remove_entry(const std::string& cache, const std::string& key) {
  std::vector<blob::Location> unwanted;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    const auto repository = cache_id(session, cache);
    const bool found = repository && session.number("SELECT 1 FROM cache_entry WHERE repository = $1 AND key = $2",
                                                    {*repository, key});
    if (!found) return fail(Failure::not_found, "cache '" + cache + "' has nothing under this key");
    unwanted = free_blob(session, take_entry(session, cache, *repository, key));
    return {};
  }));
  return unwanted;
}

Result<> Catalog::record_uses(const std::vector<Use>& uses) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    for (const auto& use : uses)
      session.run("UPDATE cache_entry SET used_at = $3 WHERE repository = (SELECT id FROM repository WHERE name = $1) "
                  "AND key = $2 AND used_at < $3",
                  {use.cache, use.key, to_micros(use.at)});
    return {};
  });
}

Result<Eviction> Catalog::evict(const std::string& cache, std::uint64_t bytes_max, std::size_t entries_max) {
  const auto is_too_large = [&](sql::Session& session, std::int64_t repository) {
    return session
        .number("SELECT 1 FROM cache_usage WHERE repository = $1 AND bytes > $2",
                {repository, static_cast<std::int64_t>(bytes_max)})
        .has_value();
  };
  Eviction out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    out = {};
    const auto repository = cache_id(session, cache);
    while (repository && (out.more = is_too_large(session, *repository)) && out.entries < entries_max) {
      std::string key;
      session.run("SELECT key FROM cache_entry WHERE repository = $1 ORDER BY used_at LIMIT 1", {*repository},
                  [&](const sql::Row& row) { key = row.text(0); });
      if (key.empty()) {  // a count that is off must not keep anybody here
        out.more = false;
        break;
      }
      const auto blob = take_entry(session, cache, *repository, key);
      for (auto& location : free_blob(session, blob)) out.unwanted.push_back(std::move(location));
      ++out.entries;
    }
    return {};
  }));
  return out;
}

Result<CacheUsage> Catalog::cache_usage(const std::string& cache) {
  CacheUsage out;
  TRY(m_database.read([&](sql::Session& session) {
    session.run(
        "SELECT u.entries, u.bytes FROM repository r JOIN cache_usage u ON u.repository = r.id WHERE r.name = $1",
        {cache}, [&](const sql::Row& row) {
          out = {static_cast<std::uint64_t>(row.integer(0)), static_cast<std::uint64_t>(row.integer(1))};
        });
  }));
  return out;
}

// ---- steps

std::vector<blob::Location> Catalog::put_entry(sql::Session& session, const std::string& cache, const std::string& key,
                                               const Digest& digest, const StoredBlob& blob) {
  const auto repository = ensure_repository(session, cache, "cas");
  std::optional<std::int64_t> old;
  if (session.number("SELECT 1 FROM cache_entry WHERE repository = $1 AND key = $2", {repository, key}))
    old = take_entry(session, cache, repository, key);
  session.run("INSERT INTO cache_entry (repository, key, blob, digest, used_at) VALUES ($1, $2, $3, $4, $5)",
              {repository, key, blob.id, ensure_digest(session, digest), now()});
  change_usage(session, repository, 1, static_cast<std::int64_t>(blob.size));
  give(session, cache, blob.id, "cas");
  return old ? free_blob(session, *old) : std::vector<blob::Location>();
}

/// Takes an entry that is there, and the membership of its blob with the last of the blob's entries. Returns the blob.
std::int64_t Catalog::take_entry(sql::Session& session, const std::string& cache, std::int64_t repository,
                                 const std::string& key) {
  std::int64_t blob = 0;
  std::int64_t size = 0;
  session.run("SELECT e.blob, b.size FROM cache_entry e JOIN blob b ON b.id = e.blob WHERE e.repository = $1 AND "
              "e.key = $2",
              {repository, key}, [&](const sql::Row& row) {
                blob = row.integer(0);
                size = row.integer(1);
              });
  session.run("DELETE FROM cache_entry WHERE repository = $1 AND key = $2", {repository, key});
  change_usage(session, repository, -1, -size);
  if (session.number("SELECT 1 FROM cache_entry WHERE blob = $1 AND repository = $2", {blob, repository})) return blob;
  session.run("DELETE FROM membership WHERE repository = $1 AND blob = $2", {repository, blob});
  forget_membership(session, cache, blob);
  return blob;
}

/// Takes a blob that no repository has and no manifest points at, and queues its bytes for deletion; else does nothing.
std::vector<blob::Location> Catalog::free_blob(sql::Session& session, std::int64_t blob) {
  const bool named =
      session.number("SELECT 1 FROM membership WHERE blob = $1", {blob}) ||
      session.number("SELECT 1 FROM cache_entry WHERE blob = $1", {blob}) ||
      session.number("SELECT 1 FROM edge e JOIN digest d ON d.id = e.digest WHERE d.blob = $1 LIMIT 1", {blob});
  if (named) return {};
  std::vector<blob::Location> locations;
  session.run("SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at FROM location l JOIN blob b "
              "ON b.id = l.blob "
              "WHERE l.blob = $1",
              {blob}, [&](const sql::Row& row) { locations.push_back(blob_of(row).location); });
  std::vector<blob::Location> unwanted;
  for (const auto& location : locations)
    if (drop_location(session, location)) unwanted.push_back(location);
  session.run("DELETE FROM digest WHERE blob = $1 AND manifest IS NULL", {blob});  // nothing else names these
  session.run("UPDATE digest SET blob = NULL WHERE blob = $1", {blob});
  session.run("DELETE FROM blob WHERE id = $1", {blob});
  return unwanted;
}

}  // namespace slipway::catalog
