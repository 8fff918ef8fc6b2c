#include "oci/names.hpp"

#include "http/target.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

TEST(RepositoryName, MayBeWhatTheSpecificationAllows) {
  for (const auto& name : std::initializer_list<std::string>{
           "a", "0", "library/alpine", "a/b/c/d/e", "a.b", "a_b", "a__b", "a-b", "a--b", "a-----b", "1.2.3", "a0/b1",
           "blobs", "a/blobs/b", "a/manifests", "tags/list", "uploads", "x" + std::string(254, 'y')})
    EXPECT_TRUE(is_repository_name(name)) << name;
}

TEST(RepositoryName, MayBeNothingElse) {
  for (const auto& name : std::initializer_list<std::string>{"",      "/",
                                                             "A",     "aB",
                                                             "a/",    "/a",
                                                             "a//b",  "a..b",
                                                             "a___b", "a._b",
                                                             "a.-b",  "a-.b",
                                                             "a_.b",  ".a",
                                                             "a.",    "_a",
                                                             "a_",    "-a",
                                                             "a-",    "a/.b",
                                                             "a/-b",  "a/b_",
                                                             "a b",   "a:b",
                                                             "a@b",   "a+b",
                                                             "a%2fb", "..",
                                                             ".",     "a/../b",
                                                             "ä",     std::string("a\0b", 3),
                                                             "a\n",   std::string(256, 'x')})
    EXPECT_FALSE(is_repository_name(name)) << name;
}

TEST(Tag, MayBeWhatTheSpecificationAllows) {
  for (const auto& tag : std::initializer_list<std::string>{"a", "A", "0", "_", "latest", "v1.2.3-rc.1", "a_b", "_-.",
                                                            "sha256-0123.sig", std::string(128, 'x')})
    EXPECT_TRUE(is_tag(tag)) << tag;
}

TEST(Tag, MayBeNothingElse) {
  for (const auto& tag : std::initializer_list<std::string>{"", ".a", "-a", "a b", "a/b", "a:b", "a+b", "ä", "a\n",
                                                            std::string("a\0", 2), std::string(129, 'x')})
    EXPECT_FALSE(is_tag(tag)) << tag;
}

/// "resource repository last" of a path below /v2.
std::string parsed(std::string_view raw) {
  static constexpr std::array names = {"base",     "token", "catalog",   "blob",    "uploads", "upload",
                                       "manifest", "tags",  "referrers", "missing", "batch",   "unknown"};
  const auto target = http::parse_target(raw).value();
  const std::vector<std::string> below(target.segments.begin() + 1, target.segments.end());
  const auto path = parse_path(below, target.trailing_slash);
  std::string out = names[static_cast<std::size_t>(path.resource)];
  if (!path.repository.empty()) out += " " + path.repository;
  if (!path.last.empty()) out += " " + path.last;
  return out;
}

TEST(Path, KnowsEveryEndpoint) {
  EXPECT_EQ(parsed("/v2"), "base");
  EXPECT_EQ(parsed("/v2/"), "base");
  EXPECT_EQ(parsed("/v2/a/blobs/sha256:0"), "blob a sha256:0");
  EXPECT_EQ(parsed("/v2/a/b/manifests/latest"), "manifest a/b latest");
  EXPECT_EQ(parsed("/v2/a/blobs/uploads"), "uploads a");
  EXPECT_EQ(parsed("/v2/a/blobs/uploads/"), "uploads a");
  EXPECT_EQ(parsed("/v2/a/blobs/uploads/0123"), "upload a 0123");
  EXPECT_EQ(parsed("/v2/a/tags/list"), "tags a");
  EXPECT_EQ(parsed("/v2/a/b/referrers/sha256:0"), "referrers a/b sha256:0");
  EXPECT_EQ(parsed("/v2/_catalog"), "catalog");
  EXPECT_EQ(parsed("/v2/token"), "token");
}

TEST(Path, IsReadFromTheRight) {
  EXPECT_EQ(parsed("/v2/a/blobs/b/blobs/sha256:0"), "blob a/blobs/b sha256:0");
  EXPECT_EQ(parsed("/v2/a/blobs/b/manifests/latest"), "manifest a/blobs/b latest");
  EXPECT_EQ(parsed("/v2/manifests/manifests/manifests"), "manifest manifests manifests");
  EXPECT_EQ(parsed("/v2/tags/list/tags/list"), "tags tags/list");
  EXPECT_EQ(parsed("/v2/token/tags/list"), "tags token");
  EXPECT_EQ(parsed("/v2/referrers/referrers/referrers"), "referrers referrers referrers");
  EXPECT_EQ(parsed("/v2/blobs/uploads/blobs/uploads/"), "uploads blobs/uploads");
  EXPECT_EQ(parsed("/v2/blobs/uploads/blobs/uploads/0123"), "upload blobs/uploads 0123");
  EXPECT_EQ(parsed("/v2/a/blobs/uploads/b/blobs/sha256:0"), "blob a/blobs/uploads/b sha256:0");
}

TEST(Path, KnowsNothingElse) {
  for (const auto* path :
       {"/v2/a", "/v2/a/", "/v2/a/blobs", "/v2/a/blobs/", "/v2/a/manifests", "/v2/a/manifests/", "/v2/a/tags",
        "/v2/a/tags/lists", "/v2/a/tags/list/", "/v2/a/manifests/latest/", "/v2/a/blobs/sha256:0/", "/v2/_catalog/",
        "/v2/token/", "/v2/manifests/latest", "/v2/blobs/uploads", "/v2/a/blobs/uploads/0123/"})
    EXPECT_EQ(parsed(path), "unknown") << path;
}

TEST(Path, LeavesEmptyPartsForTheNameToRefuse) {
  EXPECT_EQ(parsed("/v2//manifests/latest"), "manifest latest");
  EXPECT_EQ(parsed("/v2/a//manifests/latest"), "manifest a/ latest");
}

}  // namespace
}  // namespace slipway::oci
