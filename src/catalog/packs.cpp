#include "catalog/steps.hpp"

namespace slipway::catalog {

// Bytes are put within this, and their rows committed.
static constexpr auto awaited_for = std::chrono::hours(1);

Result<bool> Catalog::has_packs_to_remove() {
  bool out = false;
  TRY(m_database.read([&](sql::Session& session) {
    out = session.number("SELECT location FROM deletion WHERE kind = 4 LIMIT 1").has_value();
  }));
  return out;
}

/// Of key, blobs, bytes.
static Pack pack_of(const sql::Row& row) {
  return {.key = std::string(row.text(0)),
          .blobs = static_cast<std::uint64_t>(row.integer(1)),
          .bytes = static_cast<std::uint64_t>(row.integer(2))};
}

Result<> Catalog::announce_pack(const std::string& pack) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("INSERT INTO pack (key, blobs, bytes, announced_at) VALUES ($1, 0, 0, $2) ON CONFLICT DO NOTHING",
                {pack, now()});
    return {};
  });
}

Result<std::vector<Pack>> Catalog::packs_below(std::uint64_t bytes, std::size_t limit) {
  std::vector<Pack> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    session.run(
        "SELECT key, blobs, bytes FROM pack WHERE condemned_at IS NULL AND bytes < $1 AND (announced_at IS NULL "
        "OR announced_at < $3) ORDER BY bytes LIMIT $2",
        {static_cast<std::int64_t>(bytes), static_cast<std::int64_t>(limit), to_micros(m_clock.now() - awaited_for)},
        [&](const sql::Row& row) { out.push_back(pack_of(row)); });
  }));
  return out;
}

Result<> Catalog::for_each_pack(const std::function<Result<>(const Pack&)>& each) {
  constexpr std::int64_t page = 1000;
  for (std::string after;;) {
    std::vector<Pack> found;
    TRY(m_database.read([&](sql::Session& session) {
      found.clear();
      session.run("SELECT key, blobs, bytes FROM pack WHERE key > $1 AND blobs > 0 ORDER BY key LIMIT $2",
                  {after, page}, [&](const sql::Row& row) { found.push_back(pack_of(row)); });
    }));
    if (found.empty()) return {};
    for (const auto& pack : found) TRY(each(pack));
    after = found.back().key;
  }
}

Result<std::vector<PackedBlob>> Catalog::blobs_in_pack(const std::string& pack, blob::LocationId after,
                                                       std::size_t limit) {
  std::vector<PackedBlob> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    session.run("SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at, d.algorithm, d.value FROM "
                "location l "
                "JOIN blob b ON b.id = l.blob JOIN digest d ON d.id = (SELECT MIN(id) FROM digest WHERE blob = b.id) "
                "WHERE l.kind = 3 AND l.key = $1 AND l.id > $2 ORDER BY l.id LIMIT $3",
                {pack, static_cast<std::int64_t>(number_of(after)), static_cast<std::int64_t>(limit)},
                [&](const sql::Row& row) {
                  out.push_back({Digest(static_cast<Algorithm>(row.integer(8)), row.blob(9)), blob_of(row).location});
                });
  }));
  return out;
}

Result<> Catalog::move_locations(const std::vector<Move>& moves, const std::string& store_id) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    for (const auto& move : moves) {
      std::optional<StoredBlob> known;
      session.run(
          "SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at FROM location l JOIN blob b ON "
          "b.id = l.blob WHERE l.id = $1",
          {static_cast<std::int64_t>(number_of(move.from))}, [&](const sql::Row& row) { known = blob_of(row); });
      if (!known) continue;  // unwanted meanwhile: the copy is too
      drop_location(session, known->location);
      add_location(session, known->id, move.to, store_id);
    }
    return {};
  });
}

Result<std::optional<blob::Location>> Catalog::condemn_pack(const std::string& pack) {
  TRY_ASSIGN(const auto id, next_location());  // names the removal alone
  const blob::Location whole{id, blob::LocationKind::old_pack, pack, {}};
  bool condemned = false;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    condemned = session.run("UPDATE pack SET condemned_at = $2 WHERE key = $1 AND blobs = 0 AND condemned_at IS NULL "
                            "AND (announced_at IS NULL OR announced_at < $3)",
                            {pack, now(), to_micros(m_clock.now() - awaited_for)}) > 0;
    if (!condemned) return {};
    queue_deletion(session, whole);
    // Until now, who had looked a blob up before it moved found it in the old place as well.
    session.around_commit([this] { m_blobs.begin_change_of_all(); }, [this] { m_blobs.end_change(); });
    return {};
  }));
  return condemned ? std::optional(whole) : std::nullopt;
}

Result<> Catalog::forget_packs(Timestamp before) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("DELETE FROM pack WHERE condemned_at < $1 AND condemned_at IS NOT NULL", {to_micros(before)});
    return {};
  });
}

}  // namespace slipway::catalog
