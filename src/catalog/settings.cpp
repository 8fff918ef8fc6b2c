#include "catalog/schema.hpp"
#include "catalog/steps.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace slipway::catalog {

constexpr std::uint64_t locations_reserved_at_once = 1024;

Result<std::unique_ptr<Catalog>> Catalog::open(sql::Database& database, const Clock& clock, bool read_only) {
  std::unique_ptr<Catalog> catalog(new Catalog(database, clock));
  if (!read_only) TRY(migrate(database, clock));
  TRY(catalog->schema_version());
  return catalog;
}

Result<> Catalog::forget_unfinished() {
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("DELETE FROM upload");
    session.run("DELETE FROM deletion");
    return {};
  });
}

Result<> Catalog::leave_locations() {
  const std::lock_guard lock(m_locations_mutex);
  m_next_location = m_locations_end = 0;
  return m_database.write([&](sql::Session& session) -> Result<> {
    leap_over_locations(session, 1);
    return {};
  });
}

Result<int> Catalog::schema_version() {
  std::int64_t version = 0;
  std::int64_t oldest_reader = 0;
  bool is_unfinished = false;
  TRY(m_database.read([&](sql::Session& session) {
    is_unfinished =
        session.number("SELECT version FROM migration WHERE version = $1", {unfinished_version}).has_value();
    session.run("SELECT MAX(version), MAX(oldest_reader) FROM migration", {}, [&](const sql::Row& row) {
      version = row.integer(0);
      oldest_reader = row.integer(1);
    });
  }));
  if (is_unfinished)
    return fail(Failure::conflict, "the catalog was being filled by a copy or a rebuild that did not come to its end: "
                                   "run that once more");
  const auto ours = newest_schema();
  if (oldest_reader > ours)
    return fail(
        Failure::invalid,
        fmt::format("the catalog's schema is version {}, which needs a Slipway that knows version {}; this one knows "
                    "{}: install a newer Slipway",
                    version, oldest_reader, ours));
  return static_cast<int>(version);
}

Result<std::optional<std::string>> Catalog::setting(std::string_view name) {
  std::optional<std::string> value;
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT value FROM setting WHERE name = $1", {name}, [&](const sql::Row& row) { value = row.text(0); });
  }));
  return value;
}

static void put_setting(sql::Session& session, std::string_view name, std::string_view value) {
  session.run(
      "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
      {name, value});
}

Result<> Catalog::set_setting(std::string_view name, std::string_view value) {
  return set_setting(name, value, [](sql::Session&) { return Result<>(); });
}

Result<> Catalog::set_setting(std::string_view name, std::string_view value, const Expectation& expect) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    TRY(expect(session));
    put_setting(session, name, value);
    return {};
  });
}

Result<std::map<std::string, std::string>> Catalog::settings_below(std::string_view prefix) {
  std::map<std::string, std::string> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    session.run("SELECT name, value FROM setting WHERE name >= $1 ORDER BY name", {prefix}, [&](const sql::Row& row) {
      const auto name = row.text(0);
      if (name.starts_with(prefix)) out.emplace(name.substr(prefix.size()), row.text(1));
    });
  }));
  return out;
}

Result<> Catalog::remove_setting(std::string_view name) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    if (session.run("DELETE FROM setting WHERE name = $1", {name}) == 0)
      return fail(Failure::not_found, fmt::format("there is no setting '{}'", name));
    return {};
  });
}

Result<std::string> Catalog::setting_or(std::string_view name, std::string_view fresh) {
  TRY_ASSIGN(auto known, setting(name));
  if (known) return std::move(*known);
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    session.run("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", {name, fresh});
    return {};
  }));
  TRY_ASSIGN(known, setting(name));
  if (!known) return fail(Failure::conflict, fmt::format("the setting '{}' was removed meanwhile", name));
  return std::move(*known);
}

Result<bool> Catalog::take_lease(std::string_view name, std::string_view holder, std::chrono::seconds duration) {
  const auto until = to_micros(m_clock.now() + duration);
  bool taken = false;
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    taken = session.run("INSERT INTO lease (name, holder, until_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE "
                        "SET holder = EXCLUDED.holder, until_at = EXCLUDED.until_at WHERE lease.holder = $2 OR "
                        "lease.until_at < $4",
                        {name, holder, until, now()}) > 0;
    return {};
  }));
  return taken;
}

Result<> Catalog::end_lease(std::string_view name, std::string_view holder) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("DELETE FROM lease WHERE name = $1 AND holder = $2", {name, holder});
    return {};
  });
}

Result<> Catalog::pair_with_store(const std::string& store_id) {
  TRY_ASSIGN(const auto known, setting_or("store_id", store_id));
  if (known != store_id)
    return fail(Failure::conflict,
                fmt::format("this catalog belongs to store {}, but the store here is {}: one of them was restored or "
                            "replaced alone. Put the matching pair back.",
                            known, store_id));
  return {};
}

Result<> Catalog::move_to_store(const std::string& store_id, const Expectation& expect) {
  for (std::optional<std::int64_t> last = 0; last;)
    TRY(m_database.write([&, after = *last](sql::Session& session) -> Result<> {
      last = session.number("SELECT MAX(id) FROM (SELECT id FROM location WHERE id > $1 ORDER BY id LIMIT 10000) t",
                            {after});
      if (last) session.run("UPDATE location SET store = $1 WHERE id > $2 AND id <= $3", {store_id, after, *last});
      return {};
    }));
  return m_database.write([&](sql::Session& session) -> Result<> {
    TRY(expect(session));
    session.run("DELETE FROM upload");
    session.run("DELETE FROM deletion");
    put_setting(session, "store_id", store_id);
    return {};
  });
}

Result<> Catalog::wait_for_writes() {
  return m_database.write([](sql::Session&) { return Result<>(); });
}

Result<blob::LocationId> Catalog::next_location() {
  const std::lock_guard lock(m_locations_mutex);
  if (m_next_location == m_locations_end) {
    std::uint64_t first = 0;
    TRY(m_database.write([&](sql::Session& session) -> Result<> {
      first = static_cast<std::uint64_t>(
          session.number("SELECT CAST(value AS BIGINT) FROM setting WHERE name = 'next_location'").value_or(1));
      session.run("INSERT INTO setting (name, value) VALUES ('next_location', $1) ON CONFLICT (name) DO UPDATE SET "
                  "value = EXCLUDED.value",
                  {std::to_string(first + locations_reserved_at_once)});
      return {};
    }));
    m_next_location = first;
    m_locations_end = first + locations_reserved_at_once;
  }
  return blob::LocationId(m_next_location++);
}

Result<blob::LocationId> Catalog::first_free_location() {
  TRY_ASSIGN(const auto known, setting("next_location"));
  std::uint64_t next = 1;
  if (known) std::from_chars(known->data(), known->data() + known->size(), next);
  return blob::LocationId(next);
}

Result<bool> Catalog::skip_locations(blob::LocationId used, const std::function<bool(blob::LocationId)>& is_finished) {
  const std::lock_guard lock(m_locations_mutex);
  TRY_ASSIGN(const auto first_free, first_free_location());
  if (used < first_free) return false;
  m_next_location = m_locations_end = 0;
  std::vector<std::int64_t> finished;
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT location FROM upload", {}, [&](const sql::Row& row) { finished.push_back(row.integer(0)); });
  }));
  // The store is asked between two transactions: it may be slow.
  std::erase_if(finished, [&](std::int64_t location) {
    return !is_finished(blob::LocationId(static_cast<std::uint64_t>(location)));
  });
  TRY(m_database.write([&](sql::Session& session) -> Result<> {
    for (const auto location : finished) session.run("DELETE FROM upload WHERE location = $1", {location});
    leap_over_locations(session, static_cast<std::int64_t>(number_of(used)) + 1);
    return {};
  }));
  return true;
}

Result<Timestamp> Catalog::latest_change() {
  std::int64_t at = 0;
  TRY(m_database.read([&](sql::Session& session) {
    at = 0;
    for (const auto* newest : {"SELECT created_at FROM blob ORDER BY id DESC LIMIT 1",
                               "SELECT created_at FROM manifest ORDER BY id DESC LIMIT 1",
                               "SELECT at FROM tag_history ORDER BY id DESC LIMIT 1"})
      at = std::max(at, session.number(newest).value_or(0));
  }));
  return from_micros(at);
}

Result<Totals> Catalog::totals() {
  Totals out;
  TRY(m_database.read([&](sql::Session& session) {
    const auto count = [&](std::string_view text) {
      return static_cast<std::uint64_t>(session.number(text).value_or(0));
    };
    out = {.repositories = count("SELECT COUNT(*) FROM repository"),
           .tags = count("SELECT COUNT(*) FROM tag"),
           .manifests = count("SELECT COUNT(*) FROM manifest"),
           .blobs = count("SELECT COUNT(*) FROM blob"),
           .blob_bytes = count("SELECT CAST(SUM(size) AS BIGINT) FROM blob"),
           .uploads = count("SELECT COUNT(*) FROM upload"),
           .deletions = count("SELECT COUNT(*) FROM deletion")};
  }));
  return out;
}

}  // namespace slipway::catalog
