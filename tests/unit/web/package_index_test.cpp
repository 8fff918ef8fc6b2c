#include "web/package_index.hpp"

#include "web/package_facts.hpp"

#include <gmock/gmock.h>

namespace slipway::web {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Of one file each, in one part each.
opam::PackageList list_of(const std::vector<std::pair<opam::PackageName, std::string>>& files) {
  opam::PackageList out;
  for (const auto& [name, text] : files)
    out.push_back(std::make_shared<const std::vector<opam::PackageEntry>>(
        1, opam::PackageEntry{name, opam::read_package(opam::parse_file(text, "opam").value())}));
  return out;
}

std::vector<std::string> names_of(const std::vector<const NamedPackage*>& packages) {
  std::vector<std::string> out;
  for (const auto* package : packages) out.push_back(package->name);
  return out;
}

TEST(PackageIndex, OrdersVersionsAsOpamDoes) {
  const PackageIndex index(list_of({{{"a", "1.10"}, ""}, {{"a", "1.9"}, ""}, {{"a", "2~x"}, "available: false"}}));
  const auto* a = index.find("a");
  ASSERT_NE(a, nullptr);
  std::vector<std::string> versions;
  for (const auto* each : a->versions) versions.push_back(each->name.version);
  EXPECT_THAT(versions, ElementsAre("2~x", "1.10", "1.9"));
  EXPECT_EQ(a->latest().name.version, "1.10");
  EXPECT_EQ(index.versions(), 3U);
  EXPECT_EQ(index.find("b"), nullptr);
}

TEST(PackageIndex, KnowsWhoNeedsWhat) {
  const PackageIndex index(list_of({{{"a", "1"}, ""},
                                    {{"b", "1"}, "depends: [\"a\" \"absent\"]"},
                                    {{"b", "2"}, "depends: \"a\" depopts: \"c\""},
                                    {{"c", "1"}, "depends: [(\"a\" | \"b\")]"}}));
  EXPECT_THAT(index.find("a")->dependants, ElementsAre("b", "c"));
  EXPECT_THAT(index.find("b")->dependants, ElementsAre("c"));
  EXPECT_THAT(index.find("c")->optional_dependants, ElementsAre("b"));
}

TEST(PackageIndex, FindsNamesBeforeWords) {
  const PackageIndex index(list_of({{{"http", "1"}, ""},
                                    {{"a-http", "1"}, ""},
                                    {{"http-x", "1"}, ""},
                                    {{"web", "1"}, "synopsis: \"Speaks HTTP\""},
                                    {{"other", "1"}, "tags: \"xhttp\""},
                                    {{"none", "1"}, ""}}));
  EXPECT_THAT(names_of(index.search("http")), ElementsAre("http", "http-x", "a-http", "other", "web"));
  EXPECT_THAT(names_of(index.search("HTTP speaks")), ElementsAre("web"));
  EXPECT_THAT(names_of(index.search("http+x")), ElementsAre("http-x", "other"));
  EXPECT_THAT(names_of(index.search("absent")), IsEmpty());
  EXPECT_EQ(index.search("").size(), 6U);
}

TEST(PackageFacts, TakeFormulasApart) {
  const auto facts = facts_of(opam::parse_file("depends: [\"a\" {>= \"1\"} \"b\" & \"c\" (\"d\" | \"e\")]\n"
                                               "conflicts: \"f\" homepage: \"ftp://x\" description: \"one\\n\\n- two\"",
                                               "opam")
                                  .value());
  std::vector<std::string> depends;
  for (const auto& part : facts["depends"]) depends.push_back(part["package"].dump() + part["rest"].dump());
  EXPECT_THAT(depends,
              ElementsAre("\"a\"\"{>= \\\"1\\\"}\"", "\"b\"null", "\"c\"null", "null\"(\\\"d\\\" | \\\"e\\\")\""));
  EXPECT_EQ(facts["conflicts"].size(), 1U);
  EXPECT_TRUE(facts["homepages"][0]["link"].is_null());
  EXPECT_EQ(facts["description"][0], (Json{{"text", "one"}, {"is_set", false}}));
  EXPECT_EQ(facts["description"][1]["is_set"], true);
  EXPECT_TRUE(facts["synopsis"].is_null());
}

}  // namespace
}  // namespace slipway::web
