// Pins: blobs that a repository keeps for good, under names of its own.

#include "catalog/steps.hpp"

namespace slipway::catalog {

Result<std::vector<std::string>> Catalog::pin_blob(const std::string& repository, const Digest& digest,
                                                   const std::vector<std::string>& names) {
  std::vector<std::string> taken;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    taken.clear();
    const auto blob = known_blob(session, digest);
    const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository});
    if (!id || !blob ||
        !session.number("SELECT 1 FROM membership WHERE repository = $1 AND blob = $2", {*id, blob->id}))
      return std::unexpected(no_blob(repository, digest));
    const auto digest_id = ensure_digest(session, digest);
    for (const auto& name : names) {
      session.run("INSERT INTO pin (repository, name, blob, digest, since) VALUES ($1, $2, $3, $4, $5) "
                  "ON CONFLICT (repository, name) DO NOTHING",
                  {*id, name, blob->id, digest_id, now()});
      const auto owner = session.number("SELECT blob FROM pin WHERE repository = $1 AND name = $2", {*id, name});
      if (owner != blob->id) taken.push_back(name);
    }
    return {};
  }));
  return taken;
}

Result<NamedBlob> Catalog::find_pin(const std::string& repository, const std::string& name) {
  std::optional<NamedBlob> out;
  TRY(m_database.look_up(
      "SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at, d.algorithm, d.value FROM "
      "repository r JOIN pin p ON p.repository = r.id JOIN digest d ON d.id = p.digest JOIN blob b ON b.id = p.blob "
      "JOIN location l ON l.blob = b.id WHERE r.name = $1 AND p.name = $2 AND l.state = 1 ORDER BY l.id LIMIT 1",
      {repository, name}, [&](const sql::Row& row) {
        out = NamedBlob{Digest(static_cast<Algorithm>(row.integer(8)), row.blob(9)), blob_of(row)};
      }));
  if (!out) return fail(Failure::not_found, "'" + repository + "' keeps nothing as " + name);
  return *out;
}

Result<std::set<std::string>> Catalog::pinned(const std::string& repository, std::span<const std::string> names) {
  std::vector<std::vector<sql::Parameter>> sets;
  for (const auto& name : names) sets.push_back({repository, name});
  std::set<std::string> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    session.run_each("SELECT 1 FROM pin p JOIN repository r ON r.id = p.repository WHERE r.name = $1 AND p.name = $2",
                     sets, [&](std::size_t set, const sql::Row&) { out.insert(names[set]); });
  }));
  return out;
}

Result<BlobTotals> Catalog::pin_totals(const std::string& repository) {
  BlobTotals out;
  TRY(m_database.read([&](sql::Session& session) {
    session.run(
        "SELECT COUNT(*), COALESCE(CAST(SUM(b.size) AS BIGINT), 0) FROM blob b WHERE b.id IN (SELECT p.blob FROM "
        "pin p JOIN repository r ON r.id = p.repository WHERE r.name = $1)",
        {repository}, [&](const sql::Row& row) {
          out = {static_cast<std::uint64_t>(row.integer(0)), static_cast<std::uint64_t>(row.integer(1))};
        });
  }));
  return out;
}

}  // namespace slipway::catalog
