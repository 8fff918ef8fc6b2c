#include "oci/names.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

TEST(RepositoryName, FollowsTheSpec) {
  for (const auto* good :
       {"a", "0", "library/alpine", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c/d", "blobs/uploads", "x/tags/list"})
    EXPECT_TRUE(is_repository_name(good)) << good;
  for (const auto* bad : {"", "A", "a/", "/a", "a//b", "a..b", "a___b", "a._b", "a.", ".a", "-a", "a-", "_a", "a b",
                          "a:b", "a@b", "..", "a/../b", "ä"})
    EXPECT_FALSE(is_repository_name(bad)) << bad;
  EXPECT_TRUE(is_repository_name(std::string(255, 'a')));
  EXPECT_FALSE(is_repository_name(std::string(256, 'a')));
}

TEST(Tag, FollowsTheSpec) {
  for (const auto* good : {"latest", "v1.0", "_x", "A-b.C_d", "1"}) EXPECT_TRUE(is_tag(good)) << good;
  for (const auto* bad : {"", ".a", "-a", "a b", "a/b", "a:b", "a+b", "ü"}) EXPECT_FALSE(is_tag(bad)) << bad;
  EXPECT_TRUE(is_tag(std::string(128, 'a')));
  EXPECT_FALSE(is_tag(std::string(129, 'a')));
}

Path path_of(std::vector<std::string> segments, bool trailing_slash = false) {
  return parse_path(segments, trailing_slash);
}

TEST(ParsePath, KnowsEveryResource) {
  EXPECT_EQ(path_of({}, true).resource, Resource::base);
  EXPECT_EQ(path_of({"a", "b", "blobs", "sha256:x"}).resource, Resource::blob);
  EXPECT_EQ(path_of({"a", "blobs", "uploads"}, true).resource, Resource::uploads);
  EXPECT_EQ(path_of({"a", "blobs", "uploads"}).resource, Resource::uploads);
  EXPECT_EQ(path_of({"a", "blobs", "uploads", "id"}).resource, Resource::upload);
  EXPECT_EQ(path_of({"a", "manifests", "latest"}).resource, Resource::manifest);
  EXPECT_EQ(path_of({"a", "tags", "list"}).resource, Resource::tags);
  for (const auto& unknown : std::vector<std::vector<std::string>>{
           {"a"}, {"manifests", "x"}, {"a", "tags"}, {"blobs", "uploads"}, {"a", "b", "c"}})
    EXPECT_EQ(path_of(unknown).resource, Resource::unknown) << unknown.front();
  EXPECT_EQ(path_of({"a", "manifests", "latest"}, true).resource, Resource::unknown) << "a slash too many";
}

TEST(ParsePath, ReadsFromTheRight) {
  const auto manifest = path_of({"a", "manifests", "b", "manifests", "latest"});
  EXPECT_EQ(manifest.repository, "a/manifests/b");
  EXPECT_EQ(manifest.last, "latest");
  EXPECT_EQ(path_of({"a", "tags", "list", "tags", "list"}).repository, "a/tags/list");
  EXPECT_EQ(path_of({"blobs", "uploads", "blobs", "uploads"}, true).repository, "blobs/uploads");
  const auto upload = path_of({"a", "blobs", "uploads", "blobs", "uploads", "id"});
  EXPECT_EQ(upload.repository, "a/blobs/uploads");
  EXPECT_EQ(upload.last, "id");
}

}  // namespace
}  // namespace slipway::oci
