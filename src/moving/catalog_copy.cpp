#include "moving/catalog_copy.hpp"

#include "catalog/catalog.hpp"
#include "catalog/journal.hpp"
#include "catalog/rebuild.hpp"
#include "catalog/schema.hpp"
#include "catalog/steps.hpp"

#include <fmt/format.h>

namespace slipway::moving {
namespace {

using catalog::Journal;
using catalog::JournalStretch;

constexpr std::int64_t page = 100;  // a session's token may hold 64 KiB

struct UploadRow {
  std::string id;
  std::int64_t repository, location, position;
  std::vector<std::byte> token;
  std::int64_t epoch, started_at, touched_at;
  std::string who;
  std::int64_t algorithm;
};

Result<std::uint64_t> copy_uploads(sql::Database& from, sql::Database& to) {
  std::uint64_t copied = 0;
  for (std::string after;;) {
    std::vector<UploadRow> rows;
    TRY(from.read([&](sql::Session& session) {
      rows.clear();
      session.run(
          "SELECT id, repository, location, position, token, epoch, started_at, touched_at, who, algorithm FROM "
          "upload WHERE id > $1 ORDER BY id LIMIT $2",
          {after, page}, [&](const sql::Row& row) {
            const auto token = row.blob(4);
            rows.push_back({.id = std::string(row.text(0)),
                            .repository = row.integer(1),
                            .location = row.integer(2),
                            .position = row.integer(3),
                            .token = {token.begin(), token.end()},
                            .epoch = row.integer(5),
                            .started_at = row.integer(6),
                            .touched_at = row.integer(7),
                            .who = std::string(row.text(8)),
                            .algorithm = row.integer(9)});
          });
    }));
    if (rows.empty()) return copied;
    TRY(to.write([&](sql::Session& session) -> Result<> {
      for (const auto& row : rows)
        session.run(
            "INSERT INTO upload (id, repository, location, position, token, epoch, started_at, touched_at, who, "
            "algorithm) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            {row.id, row.repository, row.location, row.position, ByteView(row.token), row.epoch, row.started_at,
             row.touched_at, row.who, row.algorithm});
      return {};
    }));
    copied += rows.size();
    after = rows.back().id;
  }
}

Result<std::uint64_t> copy_deletions(sql::Database& from, sql::Database& to) {
  struct DeletionRow {
    std::int64_t location, kind;
    std::string key;
    std::int64_t queued_at;
  };
  std::uint64_t copied = 0;
  for (std::int64_t after = 0;;) {
    std::vector<DeletionRow> rows;
    TRY(from.read([&](sql::Session& session) {
      rows.clear();
      session.run("SELECT location, kind, key, queued_at FROM deletion WHERE location > $1 ORDER BY location LIMIT $2",
                  {after, page}, [&](const sql::Row& row) {
                    rows.push_back({row.integer(0), row.integer(1), std::string(row.text(2)), row.integer(3)});
                  });
    }));
    if (rows.empty()) return copied;
    TRY(to.write([&](sql::Session& session) -> Result<> {
      // A pack waits until the journal tells where its blobs went: the new catalog's first one does.
      for (const auto& row : rows)
        session.run("INSERT INTO deletion (location, kind, key, queued_at, change) VALUES ($1, $2, $3, $4, 1)",
                    {row.location, row.kind, row.key, row.queued_at});
      return {};
    }));
    copied += rows.size();
    after = rows.back().location;
  }
}

sql::Parameter or_null(std::optional<std::int64_t> number) {
  return number ? sql::Parameter(*number) : sql::Parameter(nullptr);
}

/// Those of which nothing is wanted; the others are counted from the locations.
Result<> copy_empty_packs(sql::Database& from, sql::Database& to) {
  struct PackRow {
    std::string key;
    std::optional<std::int64_t> condemned_at, announced_at;
  };
  for (std::string after;;) {
    std::vector<PackRow> rows;
    TRY(from.read([&](sql::Session& session) {
      rows.clear();
      session.run("SELECT key, condemned_at, announced_at FROM pack WHERE key > $1 AND blobs = 0 ORDER BY key LIMIT $2",
                  {after, page}, [&](const sql::Row& row) {
                    const auto time = [&](int column) {
                      return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
                    };
                    rows.push_back({std::string(row.text(0)), time(1), time(2)});
                  });
    }));
    if (rows.empty()) return {};
    TRY(to.write([&](sql::Session& session) -> Result<> {
      for (const auto& row : rows)
        session.run("INSERT INTO pack (key, blobs, bytes, condemned_at, announced_at) VALUES ($1, 0, 0, $2, $3)",
                    {row.key, or_null(row.condemned_at), or_null(row.announced_at)});
      return {};
    }));
    after = rows.back().key;
  }
}

Result<> expect_equal(sql::Database& from, sql::Database& to) {
  TRY_ASSIGN(const auto ours, catalog::journal_prints(from));
  TRY_ASSIGN(const auto theirs, catalog::journal_prints(to));
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (ours[i] != theirs[i])
      return fail(Failure::corrupt,
                  fmt::format("the copy's table {} has {} rows that differ from the {} it was made of", ours[i].table,
                              theirs[i].rows, ours[i].rows));
  return {};
}

}  // namespace

Result<CatalogCopyReport> copy_catalog(sql::Database& from, sql::Database& to, const Clock& clock,
                                       const CatalogCopyOptions& options) {
  TRY_ASSIGN(const auto source, catalog::Catalog::open(from, clock, true));
  TRY_ASSIGN(const int schema, source->schema_version());
  if (schema != catalog::newest_schema())
    return fail(Failure::invalid,
                fmt::format("the catalog's tables are of version {}, this Slipway's of version {}: start a server of "
                            "the newer one with it once",
                            schema, catalog::newest_schema()));
  Journal journal(from);
  TRY_ASSIGN(const auto state, journal.state());
  // Its journal in the store, if there is one, is what the copy's first one will take the place of.
  const auto generation = state && !state->generation.empty() ? state->generation : std::string("00000000-00000000");

  CatalogCopyReport report;
  catalog::Rebuild copy(to, clock);
  const auto apply = [&](const JournalStretch&, std::int64_t, bool, const std::string& part) -> Result<> {
    TRY(copy.apply(part));
    return options.advance(copy.rows());
  };
  TRY(journal.tell(generation, std::nullopt, apply));
  report.rows = copy.rows();
  if (options.unfinished) {
    TRY_ASSIGN(report.uploads, copy_uploads(from, to));
    TRY_ASSIGN(report.deletions, copy_deletions(from, to));
    TRY(copy_empty_packs(from, to));
  }
  TRY_ASSIGN(const auto first_free, source->first_free_location());
  TRY(to.write([&](sql::Session& session) -> Result<> {
    catalog::leap_over_locations(session, static_cast<std::int64_t>(number_of(first_free)));
    return {};
  }));
  if (options.unfinished) TRY(expect_equal(from, to));  // else others may have written since
  TRY(options.settle());
  TRY(copy.finish(state && !state->generation.empty()));
  return report;
}

}  // namespace slipway::moving
