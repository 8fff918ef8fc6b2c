// What servers tell each other of their work, and how often things are fetched.

#include "catalog/steps.hpp"

namespace slipway::catalog {

Result<std::optional<Report>> Catalog::report(std::string_view name) {
  std::optional<Report> out;
  TRY(m_database.read([&](sql::Session& session) {
    session.run("SELECT value, at FROM report WHERE name = $1", {name}, [&](const sql::Row& row) {
      out = Report{.value = std::string(row.text(0)), .at = from_micros(row.integer(1))};
    });
  }));
  return out;
}

Result<> Catalog::put_report(std::string_view name, std::string_view value) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("INSERT INTO report (name, value, at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET "
                "value = EXCLUDED.value, at = EXCLUDED.at",
                {name, value, now()});
    return {};
  });
}

Result<> Catalog::remove_report(std::string_view name) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    session.run("DELETE FROM report WHERE name = $1", {name});
    return {};
  });
}

static std::int64_t month_of(Timestamp at) {
  const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(at)};
  return static_cast<std::int64_t>(static_cast<int>(day.year())) * 100 +
         static_cast<std::int64_t>(static_cast<unsigned>(day.month()));
}

Result<> Catalog::add_tallies(const std::string& repository, const std::map<std::string, std::uint64_t>& counts) {
  const auto month = month_of(m_clock.now());
  return m_database.write([&](sql::Session& session) -> Result<> {
    for (const auto& [name, count] : counts)
      session.run("INSERT INTO tally (repository, name, month, count) VALUES ($1, $2, $3, $4) ON CONFLICT (repository, "
                  "name, month) DO UPDATE SET count = tally.count + EXCLUDED.count",
                  {repository, name, month, static_cast<std::int64_t>(count)});
    return {};
  });
}

Result<std::map<std::string, std::uint64_t>> Catalog::tallies(const std::string& repository, int since_month) {
  std::map<std::string, std::uint64_t> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    session.run(
        "SELECT name, CAST(SUM(count) AS BIGINT) FROM tally WHERE repository = $1 AND month >= $2 GROUP BY name",
        {repository, static_cast<std::int64_t>(since_month)},
        [&](const sql::Row& row) { out.emplace(row.text(0), static_cast<std::uint64_t>(row.integer(1))); });
  }));
  return out;
}

Result<> Catalog::note_first_published(const std::string& repository, const std::map<std::string, Timestamp>& times) {
  return m_database.write([&](sql::Session& session) -> Result<> {
    for (const auto& [name, at] : times)
      session.run("INSERT INTO first_published (repository, name, at) VALUES ($1, $2, $3) ON CONFLICT (repository, "
                  "name) DO UPDATE SET at = EXCLUDED.at WHERE first_published.at > EXCLUDED.at",
                  {repository, name, to_micros(at)});
    return {};
  });
}

Result<std::map<std::string, Timestamp>> Catalog::first_published(const std::string& repository) {
  std::map<std::string, Timestamp> out;
  TRY(m_database.read([&](sql::Session& session) {
    out.clear();
    session.run("SELECT name, at FROM first_published WHERE repository = $1", {repository},
                [&](const sql::Row& row) { out.emplace(row.text(0), from_micros(row.integer(1))); });
  }));
  return out;
}

}  // namespace slipway::catalog
