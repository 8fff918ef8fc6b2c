#include "opam/package.hpp"

#include "opam/version.hpp"

#include <gmock/gmock.h>

namespace slipway::opam {
namespace {

using testing::ElementsAre;

Package read(std::string_view text) { return read_package(parse_file(text, "f").value()); }

TEST(OpamChecksum, IsReadInAllItsForms) {
  const std::string md5(32, 'a'), sha256(64, 'B');
  EXPECT_EQ(Checksum::parse(md5)->text(), "md5=" + md5);
  EXPECT_EQ(Checksum::parse("sha256=" + sha256)->text(), "sha256=" + std::string(64, 'b'));
  EXPECT_EQ(Checksum::parse("sha512=" + std::string(128, '0'))->cache_path(), "sha512/00/" + std::string(128, '0'));
  for (const auto& bad :
       {std::string(), "md5=" + sha256, "sha1=" + md5, "sha256=" + std::string(64, 'g'), "md5=../" + md5})
    EXPECT_FALSE(Checksum::parse(bad)) << bad;
}

TEST(OpamPackage, IsNamedByItsPath) {
  const auto found = package_of_path("packages/a-b/a-b.1.0~x/opam");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "a-b");
  EXPECT_EQ(found->version, "1.0~x");
  for (const auto* path : {"packages/a.1/opam", "packages/b/a.1/opam", "packages/a/b/c/a.1/opam"})
    EXPECT_EQ(package_of_path(path), (PackageName{"a", "1"})) << path;
  for (const auto* other : {"packages/a/a/opam", "packages/a/a./opam", "packages/a/a.1/files/opam", "repo",
                            "packages//.1/opam", "packages/opam", "packages/a.1", "x/packages/a/a.1/opam", "a.1/opam"})
    EXPECT_FALSE(package_of_path(other)) << other;
}

TEST(OpamPackage, TellsItsSources) {
  const auto package = read(R"(
    url { src: "https://h/a.tgz" mirrors: ["https://m/a.tgz" "https://n/a.tgz"] checksum: ["md5=zz" "sha256=0"] }
    url { src: "https://other/b.tgz" }
    extra-source "p.patch" { src: "https://h/p" checksum: "00000000000000000000000000000000" }
    extra-source { src: "unnamed" }
    patches: "p.patch")");
  ASSERT_EQ(package.sources.size(), 2U);
  EXPECT_THAT(package.sources[0].urls, ElementsAre("https://h/a.tgz", "https://m/a.tgz", "https://n/a.tgz"));
  EXPECT_FALSE(package.sources[0].is_cacheable());
  EXPECT_THAT(package.problems, ElementsAre("'md5=zz' is not a checksum", "'sha256=0' is not a checksum"));
  EXPECT_EQ(package.sources[1].extra_name, "p.patch");
  EXPECT_TRUE(package.sources[1].is_cacheable());
}

TEST(OpamPackage, KnowsWhatNoCacheHas) {
  const auto is_archive = [](const std::string& section) {
    return read("url {" + section + "}").sources[0].is_archive;
  };
  EXPECT_TRUE(is_archive(R"(src: "https://h/a.tar.gz")"));
  EXPECT_TRUE(is_archive(R"(archive: "https://h/git.tar.gz#branch")"));
  EXPECT_FALSE(is_archive(R"(src: "git+https://h/a")"));
  EXPECT_FALSE(is_archive(R"(src: "git://h/a")"));
  EXPECT_FALSE(is_archive(R"(src: "https://h/a.git#main")"));
  EXPECT_FALSE(is_archive(R"(git: "https://h/a")"));
}

TEST(OpamPackage, TellsWhatAListShows) {
  const auto package = read(R"(
    synopsis: "Does it" tags: ["org:x" "y"] available: false
    depends: ["b" {>= "1"} & ("a" | "c" {with-test}) "b"] depopts: "d" conflicts: ["e"])");
  EXPECT_EQ(package.synopsis, "Does it");
  EXPECT_THAT(package.tags, ElementsAre("org:x", "y"));
  EXPECT_THAT(package.dependencies, ElementsAre("a", "b", "c"));
  EXPECT_THAT(package.options, ElementsAre("d"));
  EXPECT_FALSE(package.is_available);
  EXPECT_TRUE(read("synopsis: [1] depends: 3 available: os = \"linux\"").is_available);
}

TEST(OpamVersions, HaveDebiansOrder) {
  const std::initializer_list<const char*> in_order = {"~~",        "~",   "0~1",   "0",     "0.1", "1.0~alpha",
                                                       "1.0~beta2", "1.0", "1.0+x", "1.0.1", "1.2", "1.10",
                                                       "10",        "a",   "v0.9",  "v0.10", "+"};
  for (const auto* a = in_order.begin(); a != in_order.end(); ++a)
    for (const auto* b = in_order.begin(); b != in_order.end(); ++b)
      EXPECT_EQ(compare_versions(*a, *b), (a - in_order.begin()) <=> (b - in_order.begin())) << *a << ' ' << *b;
  EXPECT_EQ(compare_versions("1.01", "1.1"), std::weak_ordering::equivalent);
  EXPECT_EQ(compare_versions("99999999999999999999999", "99999999999999999999998"), std::weak_ordering::greater);
}

}  // namespace
}  // namespace slipway::opam
