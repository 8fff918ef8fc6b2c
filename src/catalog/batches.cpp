#include "catalog/steps.hpp"

#include <algorithm>

namespace slipway::catalog {
namespace {

constexpr std::size_t asked_at_once = 1000;

/// Of the repository $1, and of $2 digests that are $3, one after another.
constexpr std::string_view select_known =
    "WITH RECURSIVE asked(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM asked WHERE i + 1 < $2) "
    "SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at, d.value, "
    "CASE WHEN EXISTS (SELECT 1 FROM repository_manifest rm WHERE rm.repository = $1 AND rm.manifest = d.manifest) "
    "THEN 1 ELSE 0 END, "
    "CASE WHEN EXISTS (SELECT 1 FROM membership m WHERE m.repository = $1 AND m.blob = d.blob) THEN 1 ELSE 0 END, "
    "(SELECT r.name FROM membership m JOIN repository r ON r.id = m.repository WHERE m.blob = d.blob LIMIT 1) "
    "FROM asked CROSS JOIN digest d LEFT JOIN blob b ON b.id = d.blob "
    "LEFT JOIN location l ON l.blob = b.id AND l.state = 1 "
    "WHERE d.algorithm = 1 AND d.value = SUBSTR($3, CAST(asked.i * 32 + 1 AS INTEGER), 32)";

}  // namespace

Result<std::unordered_map<Digest, Known>> Catalog::known(const std::string& repository,
                                                         std::span<const Digest> digests) {
  std::unordered_map<Digest, Known> out;
  while (!digests.empty()) {
    const auto page = digests.first(std::min(asked_at_once, digests.size()));
    digests = digests.subspan(page.size());
    std::vector<std::byte> values;
    for (const auto& digest : page) values.insert(values.end(), digest.value().begin(), digest.value().end());
    TRY(m_database.read([&](sql::Session& session) {
      const auto id = session.number("SELECT id FROM repository WHERE name = $1", {repository}).value_or(0);
      session.run(select_known, {id, static_cast<std::int64_t>(page.size()), values}, [&](const sql::Row& row) {
        auto& known = out[Digest(Algorithm::sha256, row.blob(8))];
        known.is_manifest = row.integer(9) != 0;
        known.is_member = row.integer(10) != 0;
        if (!row.is_null(2)) known.blob = blob_of(row);
        if (!row.is_null(11)) known.holder = row.text(11);
      });
    }));
  }
  return out;
}

Result<> Catalog::mount_blobs(const std::string& to, std::span<const std::pair<Digest, std::string>> blobs) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    for (const auto& [digest, from] : blobs) {
      const auto blob = known_blob(session, digest);
      if (blob && session.number("SELECT 1 FROM repository r JOIN membership m ON m.repository = r.id "
                                 "WHERE r.name = $1 AND m.blob = $2",
                                 {from, blob->id}))
        give(session, to, blob->id);
    }
    return {};
  });
}

Result<> Catalog::commit_blobs(const std::string& repository, std::span<const BatchedBlob> blobs,
                               const std::string& store_id) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    for (const auto& blob : blobs) {
      auto entered = blob.location
                         ? std::optional(enter_blob(session, {blob.digest}, *blob.location, store_id, blob.replace))
                         : known_blob(session, blob.digest);
      if (!entered) return fail(Failure::not_found, "no blob " + blob.digest.text());
      give(session, repository, entered->id);
    }
    return {};
  });
}

}  // namespace slipway::catalog
