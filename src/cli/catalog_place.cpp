#include "cli/catalog_place.hpp"

#include "sql/postgres.hpp"
#include "sql/sqlite.hpp"

#include <thread>

namespace slipway::cli {

// What PostgreSQL calls the connections of those that serve.
constexpr const char* serving_client = "slipway";

std::string CatalogPlace::name_of(const Config& config) {
  if (config.catalog.empty()) return (config.data / "catalog.sqlite").string();
  const auto address = sql::PostgresAddress::parse(config.catalog);
  return address ? address->name : "the catalog (catalog.url)";
}

Result<std::unique_ptr<sql::Database>> CatalogPlace::connect(const Config& config, CatalogUse use) {
  if (!config.catalog.empty()) {
    const auto* client = use == CatalogUse::make ? serving_client : "slipway command";
    TRY_ASSIGN(auto database, sql::PostgresDatabase::open({.url = config.catalog, .client = client}));
    return std::unique_ptr<sql::Database>(std::move(database));
  }
  const auto file = config.data / "catalog.sqlite";
  std::error_code error;
  if (use != CatalogUse::make && !std::filesystem::exists(file, error))
    return fail(Failure::not_found,
                file.string() + " is not there: --data names a data directory, --catalog a database");
  const auto mode = use == CatalogUse::beside ? sql::SqliteMode::read_only : sql::SqliteMode::read_write;
  TRY_ASSIGN(auto database, sql::SqliteDatabase::open(file, mode));
  return std::unique_ptr<sql::Database>(std::move(database));
}

Result<CatalogPlace> CatalogPlace::open(const Config& config, const Clock& clock, CatalogUse use) {
  CatalogPlace place;
  place.name = name_of(config);
  TRY_ASSIGN(place.database, connect(config, use));
  if (place.database->is_shared()) {
    place.shared_clock = std::make_unique<catalog::SharedClock>(*place.database);
    TRY(place.shared_clock->compare());
  }
  const Clock& time = place.shared_clock ? *place.shared_clock : clock;
  auto opened = catalog::Catalog::open(*place.database, time, use == CatalogUse::beside);
  if (!opened) return std::unexpected(opened.error().during(place.name));
  place.catalog = std::move(*opened);
  return place;
}

static bool is_served(sql::Session& session) {
  return session
      .number("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1 LIMIT 1",
              {serving_client})
      .has_value();
}

static Result<bool> is_served(sql::Database& database) {
  bool out = false;
  TRY(database.read([&](sql::Session& session) { out = is_served(session); }));
  return out;
}

constexpr const char* select_first_free = "SELECT CAST(value AS BIGINT) FROM setting WHERE name = 'next_location'";

static std::unexpected<Error> has_begun() {
  return fail(Failure::busy, "a server began to use the catalog: stop all servers, and begin once more");
}

Result<Quiet> Quiet::expect(const Config& config, CatalogPlace& place) {
  Quiet quiet;
  if (!place.database->is_shared()) {
    TRY_ASSIGN(quiet.m_lock, DirectoryLock::take(config.data));
    return quiet;
  }
  quiet.m_database = place.database.get();
  quiet.m_lease = std::make_unique<lifecycle::Lease>(*place.catalog, "housekeeping");
  // A server that was killed seems to hold it for so long.
  constexpr auto patience = std::chrono::seconds(25);
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    TRY_ASSIGN(const bool served, is_served(*place.database));
    if (!served && quiet.m_lease->hold()) break;
    if (std::chrono::steady_clock::now() > until)
      return fail(Failure::busy, place.name + " is in use by a server: stop all servers first");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  TRY(place.database->read(
      [&](sql::Session& session) { quiet.m_first_free_location = session.number(select_first_free).value_or(0); }));
  return quiet;
}

Result<> Quiet::renew() {
  if (!m_database) return {};
  if (!m_lease->hold()) return has_begun();
  const auto now = std::chrono::steady_clock::now();
  if (now - m_looked_at < std::chrono::seconds(1)) return {};
  m_looked_at = now;
  TRY_ASSIGN(const bool served, is_served(*m_database));
  return served ? has_begun() : Result<>();
}

Result<> Quiet::expect_still(sql::Session& session) const {
  if (!m_database) return {};
  // Whoever pushes has reserved locations.
  const bool came_and_went = session.number(select_first_free).value_or(0) != m_first_free_location;
  return came_and_went || is_served(session) ? has_begun() : Result<>();
}

Result<> expect_pair(catalog::Catalog& catalog, StorePlace& store) {
  TRY_ASSIGN(const auto identity, store.store().identity());
  TRY_ASSIGN(const auto owner, catalog.setting("store_id"));
  if (owner == identity) return {};
  return fail(Failure::conflict, "the catalog belongs to another store than " + store.name());
}

constexpr const char* moved_setting = "moved_to";

Result<> expect_not_moved(catalog::Catalog& catalog, const std::string& unless_to) {
  TRY_ASSIGN(const auto to, catalog.setting(moved_setting));
  if (!to || *to == unless_to) return {};
  return fail(Failure::conflict, "this catalog was copied to " + *to +
                                     ", which has gone on in its place: set catalog.url or server.data to that");
}

Result<> mark_as_moved(catalog::Catalog& catalog, const std::string& to, const Quiet& quiet) {
  return catalog.set_setting(moved_setting, to, [&](sql::Session& session) { return quiet.expect_still(session); });
}

}  // namespace slipway::cli
