#include "base/random.hpp"
#include "blob/intake.hpp"
#include "catalog/steps.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace slipway::catalog {
namespace {

constexpr std::string_view select_upload = "SELECT u.id, r.name, u.location, u.position, u.token, u.epoch, "
                                           "u.started_at, u.algorithm FROM upload u JOIN repository r ON r.id = "
                                           "u.repository WHERE u.id = $1 AND r.name = $2";

Upload upload_of(const sql::Row& row) {
  return {.id = std::string(row.text(0)),
          .repository = std::string(row.text(1)),
          .location = blob::LocationId(static_cast<std::uint64_t>(row.integer(2))),
          .position = static_cast<std::uint64_t>(row.integer(3)),
          .token = std::string(as_text(row.blob(4))),
          .epoch = row.integer(5),
          .started_at = from_micros(row.integer(6)),
          .algorithm = static_cast<Algorithm>(row.integer(7))};
}

Error no_upload(const std::string& repository, const std::string& id) {
  return {Failure::not_found, "repository '" + repository + "' has no upload " + id.substr(0, 64) +
                                  ": it ended, was cancelled or timed out"};
}

}  // namespace

Result<Upload> Catalog::begin_upload(const std::string& repository, const std::string& who, std::size_t open_max,
                                     Algorithm algorithm) {
  return open_upload({.repository = repository, .token = {}, .started_at = {}, .algorithm = algorithm}, "oci", who,
                     open_max);
}

Result<Upload> Catalog::begin_push(const std::string& repository, std::string_view kind, const std::string& who,
                                   std::size_t open_max) {
  return open_upload({.repository = repository, .token = {}, .epoch = 1, .started_at = {}}, kind, who, open_max);
}

Result<Upload> Catalog::open_upload(Upload upload, std::string_view kind, const std::string& who,
                                    std::size_t open_max) {
  upload.id = random_hex(16);
  upload.started_at = m_clock.now();
  TRY_ASSIGN(upload.location, next_location());
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    if (session.number("SELECT COUNT(*) FROM upload").value_or(0) >= static_cast<std::int64_t>(open_max))
      return fail(Failure::busy, "too many uploads are open; try again later");
    session.run("INSERT INTO upload (id, repository, location, position, token, epoch, started_at, touched_at, who, "
                "algorithm) VALUES ($1, $2, $3, 0, $4, $5, $6, $6, $7, $8)",
                {upload.id, ensure_repository(session, upload.repository, kind),
                 static_cast<std::int64_t>(number_of(upload.location)), ByteView(), upload.epoch,
                 to_micros(upload.started_at), who, static_cast<std::int64_t>(upload.algorithm)});
    return {};
  }));
  return upload;
}

Result<Upload> Catalog::find_upload(const std::string& repository, const std::string& id) {
  // Not to be asked for along with others: a database that cannot take it as text refuses all of them.
  if (!std::ranges::all_of(id, [](char c) { return c > ' ' && c <= '~'; }))
    return std::unexpected(no_upload(repository, id));
  std::optional<Upload> out;
  TRY(m_database.look_up(select_upload, {id, repository}, [&](const sql::Row& row) { out = upload_of(row); }));
  if (!out) return std::unexpected(no_upload(repository, id));
  return *out;
}

Result<Upload> Catalog::claim_upload(const std::string& repository, const std::string& id) {
  std::optional<Upload> out;
  std::optional<blob::LocationId> fresh;  // reserved once it turns out to be needed: not within the transaction
  for (;;) {
    bool needs_location = false;
    TRY(m_database.write([&](sql::Session& session) -> Result<> {
      out.reset();
      session.run(select_upload, {id, repository}, [&](const sql::Row& row) { out = upload_of(row); });
      if (!out) return std::unexpected(no_upload(repository, id));
      out->contested = out->is_claimed();
      const bool begins_anew = out->contested && (out->token.empty() || blob::Intake::holds_bytes(out->token));
      needs_location = begins_anew && !fresh;
      if (needs_location) return {};
      if (begins_anew) queue_deletion(session, blob::Intake::unfinished(std::exchange(out->location, *fresh), {}));
      out->epoch += out->contested ? 2 : 1;
      session.run("UPDATE upload SET epoch = $2, location = $3, touched_at = $4 WHERE id = $1",
                  {id, out->epoch, static_cast<std::int64_t>(number_of(out->location)), now()});
      return {};
    }));
    if (!needs_location) return *out;
    TRY_ASSIGN(fresh, next_location());
  }
}

Result<> Catalog::save_upload(const Upload& upload, std::uint64_t from) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    // With that nobody is at it any more.
    const auto saved =
        session.run("UPDATE upload SET position = $1, token = $2, touched_at = $3, epoch = epoch + epoch "
                    "% 2 WHERE id = $4 AND epoch = $5 AND position = $6",
                    {static_cast<std::int64_t>(upload.position), as_bytes(upload.token), now(), upload.id, upload.epoch,
                     static_cast<std::int64_t>(from)});
    if (saved == 0)
      return fail(Failure::conflict, "upload " + upload.id + " was ended, or taken over by a later request");
    return {};
  });
}

Result<UploadEnd> Catalog::remove_upload(const std::string& id, std::optional<Timestamp> untouched_since) {
  UploadEnd out;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    const auto before = untouched_since ? to_micros(*untouched_since) : std::numeric_limits<std::int64_t>::max();
    out.ended = session.number("SELECT 1 FROM upload WHERE id = $1 AND touched_at < $2", {id, before}).has_value();
    out.left = out.ended ? take_upload(session, id) : std::nullopt;
    return {};
  }));
  return out;
}

Result<std::vector<Upload>> Catalog::stale_uploads(Timestamp before, std::size_t limit) {
  std::vector<Upload> out;
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT u.id, r.name, u.location, u.position, u.token, u.epoch, u.started_at, u.algorithm "
                "FROM upload u JOIN repository r ON r.id = u.repository "
                "WHERE u.touched_at < $1 ORDER BY u.touched_at LIMIT $2",
                {to_micros(before), static_cast<std::int64_t>(limit)},
                [&](const sql::Row& row) { out.push_back(upload_of(row)); });
  }));
  return out;
}

// ---- steps

/// Ends a session that is there, and queues its bytes for deletion. Nothing where it never had a file.
std::optional<blob::Location> Catalog::take_upload(sql::Session& session, const std::string& id) {
  std::optional<blob::Location> unwanted;
  session.run("SELECT location, token FROM upload WHERE id = $1 AND epoch > 0", {id}, [&](const sql::Row& row) {
    unwanted = blob::Intake::unfinished(blob::LocationId(static_cast<std::uint64_t>(row.integer(0))),
                                        std::string(as_text(row.blob(1))));
  });
  if (unwanted) queue_deletion(session, *unwanted);
  session.run("DELETE FROM upload WHERE id = $1", {id});
  return unwanted;
}

/// Ends a session whose blob is known now: by the bytes at `kept`, or, without it, by others. What else the session has
/// left goes.
Result<> Catalog::end_upload(sql::Session& session, const UploadClaim& claim, const blob::Location* kept) {
  if (claim.id.empty()) return {};
  const auto location =
      session.number("SELECT location FROM upload WHERE id = $1 AND epoch = $2", {claim.id, claim.epoch});
  // Whoever ended it before, or goes on with it, removes its bytes, wherever they lie by then.
  if (!location) return fail(Failure::conflict, "upload " + claim.id + " was ended, or taken over by a later request");
  const bool is_own = kept != nullptr && kept->kind == blob::LocationKind::raw &&
                      number_of(kept->id) == static_cast<std::uint64_t>(*location);
  if (is_own)
    session.run("DELETE FROM upload WHERE id = $1", {claim.id});
  else
    take_upload(session, claim.id);
  return {};
}

}  // namespace slipway::catalog
