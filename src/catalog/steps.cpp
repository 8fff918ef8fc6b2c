// Steps that several writes share, each within the transaction of its session.

#include "catalog/steps.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <charconv>

namespace slipway::catalog {

std::string cache_key(const std::string& repository, const std::string& reference) {
  return repository + '\0' + reference;
}

Error no_blob(const std::string& repository, const Digest& digest) {
  return {Failure::not_found, "repository '" + repository + "' has no blob " + digest.text()};
}

StoredBlob blob_of(const sql::Row& row) {
  const auto length = static_cast<std::uint64_t>(row.integer(6));
  return {.id = row.integer(0),
          .size = static_cast<std::uint64_t>(row.integer(1)),
          .location = {.id = blob::LocationId(static_cast<std::uint64_t>(row.integer(2))),
                       .kind = static_cast<blob::LocationKind>(row.integer(3)),
                       .key = std::string(row.text(4)),
                       .range = {static_cast<std::uint64_t>(row.integer(5)), length}},
          .created_at = from_micros(row.integer(7))};
}

std::int64_t Catalog::ensure_repository(sql::Session& session, const std::string& name, std::string_view kind) {
  std::optional<std::int64_t> id;
  session.run("SELECT id, kind FROM repository WHERE name = $1", {name}, [&](const sql::Row& row) {
    id = row.integer(0);
    if (row.text(1) != kind)
      throw sql::StatementFailed({Failure::conflict, "repository '" + name + "' is of kind '" +
                                                         std::string(row.text(1)) + "', not '" + std::string(kind) +
                                                         "': use another name"});
  });
  if (id) return *id;
  return session
      .number("INSERT INTO repository (name, kind, created_at) VALUES ($1, $2, $3) RETURNING id", {name, kind, now()})
      .value();
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

void Catalog::name_changes(sql::Session& session, const std::string& key) {
  session.around_commit([this, key] { m_names.begin_change(key); }, [this] { m_names.end_change(); });
}

void Catalog::blob_changes(sql::Session& session, const std::string& key) {
  session.around_commit([this, key] { m_blobs.begin_change(key); }, [this] { m_blobs.end_change(); });
}

void Catalog::forget_membership(sql::Session& session, const std::string& repository, std::int64_t blob) {
  // The same blob may be cached under its other algorithm's digest too.
  session.run("SELECT algorithm, value FROM digest WHERE blob = $1", {blob}, [&](const sql::Row& row) {
    blob_changes(session, cache_key(repository, Digest(static_cast<Algorithm>(row.integer(0)), row.blob(1)).text()));
  });
}

std::optional<StoredBlob> Catalog::known_blob(sql::Session& session, const Digest& digest) {
  std::optional<StoredBlob> out;
  session.run(select_known_blob, {static_cast<std::int64_t>(digest.algorithm()), digest.value()},
              [&](const sql::Row& row) { out = blob_of(row); });
  return out;
}

void Catalog::queue_deletion(sql::Session& session, const blob::Location& unwanted) {
  session.run("INSERT INTO deletion (location, kind, key, queued_at, change) VALUES ($1, $2, $3, $4, "
              "COALESCE((SELECT MAX(sequence) FROM change), 0))",
              {static_cast<std::int64_t>(number_of(unwanted.id)), static_cast<std::int64_t>(unwanted.kind),
               unwanted.key, now()});
}

/// As a row of its own, whose id must be reserved before the transaction begins.
Result<std::optional<blob::Location>> Catalog::leftovers_of(const blob::Location& location) {
  if (location.leftovers.empty()) return std::nullopt;
  TRY_ASSIGN(const auto id, next_location());
  return blob::Location{.id = id, .kind = blob::LocationKind::leftovers, .key = location.leftovers, .range = {}};
}

/// Enters where a blob's bytes lie.
void Catalog::add_location(sql::Session& session, std::int64_t blob, const blob::Location& location,
                           const std::string& store_id) {
  const auto length = static_cast<std::int64_t>(location.range.length);
  session.run(insert_location, {static_cast<std::int64_t>(number_of(location.id)), blob, store_id,
                                static_cast<std::int64_t>(location.kind), location.key,
                                static_cast<std::int64_t>(location.range.offset), length});
  if (location.kind == blob::LocationKind::pack) count_packed(session, location.key, 1, length);
}

void count_packed(sql::Session& session, const std::string& key, std::int64_t blobs, std::int64_t bytes) {
  const auto counted = session.run(
      "INSERT INTO pack (key, blobs, bytes) VALUES ($1, $2, $3) ON CONFLICT (key) DO UPDATE SET blobs = pack.blobs + "
      "EXCLUDED.blobs, bytes = pack.bytes + EXCLUDED.bytes, announced_at = NULL WHERE pack.condemned_at IS NULL",
      {key, blobs, bytes});
  if (counted == 0)  // this commit took longer than it takes a pack to grow full, sparse and empty
    throw sql::StatementFailed({Failure::busy, "the bytes were taken away before their row was written: try again"});
}

/// Takes a location that is there. True if its bytes are in the deletion queue now; those in a pack stay until so many
/// of them are unwanted that the others move.
bool Catalog::drop_location(sql::Session& session, const blob::Location& location) {
  session.run("DELETE FROM location WHERE id = $1", {static_cast<std::int64_t>(number_of(location.id))});
  if (location.kind == blob::LocationKind::pack) {
    session.run("UPDATE pack SET blobs = blobs - 1, bytes = bytes - $2 WHERE key = $1",
                {location.key, static_cast<std::int64_t>(location.range.length)});
    return false;
  }
  queue_deletion(session, location);
  return true;
}

StoredBlob Catalog::enter_blob(sql::Session& session, const std::vector<Digest>& digests,
                               const blob::Location& location, const std::string& store_id, bool replace) {
  std::optional<StoredBlob> out;
  for (const auto& digest : digests)
    if (!out) out = known_blob(session, digest);
  const bool known = out.has_value();
  if (known && !replace) {
    if (location.kind != blob::LocationKind::pack) queue_deletion(session, location);
  } else {
    if (known) {
      drop_location(session, out->location);
      session.around_commit([this] { m_blobs.begin_change_of_all(); }, [this] { m_blobs.end_change(); });
    }
    const auto length = static_cast<std::int64_t>(location.range.length);
    const auto id =
        known ? out->id
              : session.number("INSERT INTO blob (size, created_at) VALUES ($1, $2) RETURNING id", {length, now()})
                    .value();
    add_location(session, id, location, store_id);
    out = StoredBlob{.id = id, .size = location.range.length, .location = location, .created_at = from_micros(now())};
  }
  for (const auto& digest : digests)
    session.run("UPDATE digest SET blob = $1 WHERE id = $2", {out->id, ensure_digest(session, digest)});
  return *out;
}

void Catalog::give(sql::Session& session, const std::string& repository, std::int64_t blob, std::string_view kind) {
  session.run("INSERT INTO membership (repository, blob, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
              {ensure_repository(session, repository, kind), blob, now()});
}

void leap_over_locations(sql::Session& session, std::int64_t first) {
  constexpr std::int64_t leap_min = 1 << 24;  // more than a journal can be behind
  std::int64_t leap = 0;
  const auto random = random_hex(5);
  std::from_chars(random.data(), random.data() + random.size(), leap, 16);
  const auto next =
      session.number("SELECT CAST(value AS BIGINT) FROM setting WHERE name = 'next_location'").value_or(1);
  session.run("INSERT INTO setting (name, value) VALUES ('next_location', $1) ON CONFLICT (name) DO UPDATE SET value = "
              "EXCLUDED.value",
              {std::to_string(std::max(first, next) + leap_min + leap)});
}

}  // namespace slipway::catalog
