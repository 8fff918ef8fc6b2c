#include "catalog/steps.hpp"

#include <algorithm>
#include <map>

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

using Sets = std::vector<std::vector<sql::Parameter>>;

void add_known(sql::Session& session, std::int64_t repository, std::span<const Digest> digests,
               std::unordered_map<Digest, Known>& out) {
  std::vector<std::byte> values;
  for (const auto& digest : digests) values.insert(values.end(), digest.value().begin(), digest.value().end());
  session.run(select_known, {repository, static_cast<std::int64_t>(digests.size()), values}, [&](const sql::Row& row) {
    auto& known = out[Digest(Algorithm::sha256, row.blob(8))];
    known.is_manifest = row.integer(9) != 0;
    known.is_member = row.integer(10) != 0;
    if (!row.is_null(2)) known.blob = blob_of(row);
    if (!row.is_null(11)) known.holder = row.text(11);
  });
}

}  // namespace

Result<std::unordered_map<Digest, Known>> Catalog::known(const std::string& repository,
                                                         std::span<const Digest> digests) {
  std::unordered_map<Digest, Known> out;
  while (!digests.empty()) {
    const auto page = digests.first(std::min(asked_at_once, digests.size()));
    digests = digests.subspan(page.size());
    TRY(m_database.read([&](sql::Session& session) {
      add_known(session, session.number("SELECT id FROM repository WHERE name = $1", {repository}).value_or(0), page,
                out);
    }));
  }
  return out;
}

Result<> Catalog::mount_blobs(const std::string& to, std::span<const std::pair<Digest, std::string>> blobs) {
  for (; !blobs.empty(); blobs = blobs.subspan(std::min(asked_at_once, blobs.size())))
    TRY(m_database.write([&](sql::Session& session) -> Result<> {
      const auto repository = ensure_repository(session, to);
      Sets sets;
      for (const auto& [digest, from] : blobs.first(std::min(asked_at_once, blobs.size())))
        sets.push_back({repository, now(), digest.value(), from});
      session.run_each("INSERT INTO membership (repository, blob, since) SELECT $1, d.blob, $2 FROM digest d "
                       "JOIN membership m ON m.blob = d.blob JOIN repository r ON r.id = m.repository "
                       "WHERE d.algorithm = 1 AND d.value = $3 AND r.name = $4 ON CONFLICT DO NOTHING",
                       sets);
      return {};
    }));
  return {};
}

/// Those that nobody has yet, whose number each is told, in a round trip a table.
void Catalog::enter_fresh(sql::Session& session, std::span<const BatchedBlob* const> blobs, const std::string& store_id,
                          std::vector<std::int64_t>& ids) {
  Sets sizes, names, places;
  for (const auto* blob : blobs) sizes.push_back({static_cast<std::int64_t>(blob->location->range.length), now()});
  const auto before = ids.size();
  session.run_each("INSERT INTO blob (size, created_at) VALUES ($1, $2) RETURNING id", sizes,
                   [&](std::size_t, const sql::Row& row) { ids.push_back(row.integer(0)); });
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> packs;
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    const auto& location = *blobs[i]->location;
    const auto id = ids[before + i];
    const auto length = static_cast<std::int64_t>(location.range.length);
    names.push_back({blobs[i]->digest.value(), id});
    places.push_back({static_cast<std::int64_t>(number_of(location.id)), id, store_id,
                      static_cast<std::int64_t>(location.kind), location.key,
                      static_cast<std::int64_t>(location.range.offset), length});
    if (location.kind != blob::LocationKind::pack) continue;
    auto& [count, bytes] = packs[location.key];
    ++count;
    bytes += length;
  }
  session.run_each("INSERT INTO digest (algorithm, value, blob) VALUES (1, $1, $2) "
                   "ON CONFLICT (algorithm, value) DO UPDATE SET blob = EXCLUDED.blob",
                   names);
  session.run_each(insert_location, places);
  for (const auto& [key, sums] : packs) count_packed(session, key, sums.first, sums.second);
}

Result<> Catalog::commit_blobs(const std::string& repository, std::span<const BatchedBlob> blobs,
                               const std::string& store_id) {
  SLIPWAY_INVARIANT(blobs.size() <= asked_at_once);
  std::vector<Digest> digests;
  for (const auto& blob : blobs) digests.push_back(blob.digest);
  return m_database.write([&](sql::Session& session) -> Result<> {
    const auto repository_id = ensure_repository(session, repository);
    std::unordered_map<Digest, Known> known;
    add_known(session, repository_id, digests, known);
    std::vector<std::int64_t> ids;
    std::vector<const BatchedBlob*> fresh;
    for (const auto& blob : blobs) {
      const auto found = known.find(blob.digest);
      const bool is_known = found != known.end() && found->second.blob;
      if (!is_known && !blob.location) return fail(Failure::not_found, "no blob " + blob.digest.text());
      if (!is_known)
        fresh.push_back(&blob);
      else if (blob.location)  // somebody else was faster, or its bytes were lost
        ids.push_back(enter_blob(session, {blob.digest}, *blob.location, store_id, blob.replace).id);
      else
        ids.push_back(found->second.blob->id);
    }
    enter_fresh(session, fresh, store_id, ids);
    Sets members;
    for (const auto id : ids) members.push_back({repository_id, id, now()});
    session.run_each("INSERT INTO membership (repository, blob, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                     members);
    return {};
  });
}

}  // namespace slipway::catalog
