// What servers tell each other, and how often things are fetched.

#include "catalog_contract.hpp"

namespace slipway::catalog {
namespace {

class CatalogReports : public CatalogContract {};

INSTANTIATE_FOR_DATABASES(CatalogReports);

TEST_P(CatalogReports, AreTheLastThatWasTold) {
  EXPECT_FALSE(m_catalog->report("a")->has_value());
  ASSERT_TRUE(m_catalog->put_report("a", "one"));
  ASSERT_TRUE(m_catalog->put_report("a", "two"));
  const auto report = m_catalog->report("a").value();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->value, "two");
  EXPECT_EQ(report->at, m_clock.now());
  EXPECT_TRUE(m_catalog->remove_report("a"));
  EXPECT_TRUE(m_catalog->remove_report("a"));
  EXPECT_FALSE(m_catalog->report("a")->has_value());
}

TEST_P(CatalogReports, SettingsAreFoundByTheirBeginning) {
  for (const auto* name : {"opal", "opam:b", "opam:a", "opam;", "p"}) ASSERT_TRUE(m_catalog->set_setting(name, name));
  EXPECT_EQ(m_catalog->settings_below("opam:").value(),
            (std::map<std::string, std::string>{{"a", "opam:a"}, {"b", "opam:b"}}));
  EXPECT_TRUE(m_catalog->remove_setting("opam:a"));
  EXPECT_EQ(m_catalog->remove_setting("opam:a").error().failure, Failure::not_found);
  EXPECT_EQ(m_catalog->settings_below("opam:")->size(), 1U);
}

TEST_P(CatalogReports, TalliesAreOfMonths) {
  ASSERT_TRUE(m_catalog->add_tallies("r", {{"a", 2}, {"b", 1}}));
  ASSERT_TRUE(m_catalog->add_tallies("r", {{"a", 3}}));
  m_clock.advance(std::chrono::days(31));  // it stood at the beginning of January
  ASSERT_TRUE(m_catalog->add_tallies("r", {{"a", 5}}));
  ASSERT_TRUE(m_catalog->add_tallies("r", {}));
  using Counts = std::map<std::string, std::uint64_t>;
  EXPECT_EQ(m_catalog->tallies("r").value(), (Counts{{"a", 10}, {"b", 1}}));
  EXPECT_EQ(m_catalog->tallies("r", 202602).value(), (Counts{{"a", 5}}));
  EXPECT_EQ(m_catalog->tallies("s").value(), Counts{});
}

TEST_P(CatalogReports, TheFirstDateStays) {
  const auto early = m_clock.now(), late = early + std::chrono::hours(1);
  ASSERT_TRUE(m_catalog->note_first_published("r", {{"a.1", late}, {"b.1", early}}));
  ASSERT_TRUE(m_catalog->note_first_published("r", {{"a.1", early}, {"b.1", late}}));
  EXPECT_EQ(m_catalog->first_published("r").value(),
            (std::map<std::string, Timestamp>{{"a.1", early}, {"b.1", early}}));
  EXPECT_TRUE(m_catalog->first_published("s")->empty());
}

TEST_P(CatalogReports, GoWithTheirRepository) {
  add_blob("r", "x");
  ASSERT_TRUE(m_catalog->add_tallies("r", {{"a", 2}}));
  ASSERT_TRUE(m_catalog->note_first_published("r", {{"a.1", m_clock.now()}}));
  ASSERT_TRUE(m_catalog->remove_repository("r", "who"));
  EXPECT_TRUE(m_catalog->tallies("r")->empty());
  EXPECT_TRUE(m_catalog->first_published("r")->empty());
}

}  // namespace
}  // namespace slipway::catalog
