#include "oci/manifest.hpp"

#include "base/json.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

const std::string digest_a = "sha256:" + std::string(64, 'a');
const std::string digest_b = "sha512:" + std::string(128, 'b');

Json descriptor(const std::string& digest, const std::string& type = "application/octet-stream") {
  return {{"mediaType", type}, {"digest", digest}, {"size", 7}};
}

Json image() {
  return {{"schemaVersion", 2},
          {"mediaType", oci_manifest},
          {"config", descriptor(digest_a, "application/vnd.oci.image.config.v1+json")},
          {"layers", Json::array({descriptor(digest_b)})}};
}

Json index() {
  return {{"schemaVersion", 2},
          {"mediaType", oci_index},
          {"manifests", Json::array({descriptor(digest_a, std::string(oci_manifest))})}};
}

Result<catalog::NewManifest> parse(const Json& json, std::string_view type = {}, const ManifestLimits& limits = {}) {
  return parse_manifest(json.dump(), type, limits);
}

std::string refusal(const Json& json, std::string_view type = {}) {
  const auto parsed = parse(json, type);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(ParseManifest, ReadsAnImage) {
  const auto manifest = parse(image(), "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->media_type, oci_manifest);
  EXPECT_EQ(manifest->artifact_type, "application/vnd.oci.image.config.v1+json");
  ASSERT_EQ(manifest->edges.size(), 2U);
  EXPECT_EQ(manifest->edges[0].kind, catalog::EdgeKind::config);
  EXPECT_EQ(manifest->edges[0].digest.text(), digest_a);
  EXPECT_EQ(manifest->edges[1].kind, catalog::EdgeKind::layer);
  EXPECT_EQ(manifest->edges[1].digest.text(), digest_b);
  EXPECT_EQ(manifest->edges[1].size, 7U);
  EXPECT_FALSE(manifest->edges[1].may_be_absent);
  EXPECT_EQ(manifest->bytes, image().dump());
}

TEST(ParseManifest, ReadsAnIndexWhoseChildrenMayBeAnything) {
  auto json = index();
  json["manifests"].push_back(descriptor(digest_b, "application/vnd.buildkit.cacheconfig.v0"));
  const auto manifest = parse(json);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->media_type, oci_index);
  EXPECT_EQ(manifest->artifact_type, std::nullopt);
  ASSERT_EQ(manifest->edges.size(), 2U);
  EXPECT_EQ(manifest->edges[1].kind, catalog::EdgeKind::child);
}

TEST(ParseManifest, ReadsDockersTwo) {
  auto json = image();
  json["mediaType"] = docker_manifest;
  EXPECT_TRUE(parse(json, docker_manifest));
  json = index();
  json["mediaType"] = docker_list;
  EXPECT_TRUE(parse(json, docker_list));
}

TEST(ParseManifest, ReadsAnArtifactWithSubjectAndAnnotations) {
  auto json = image();
  json["artifactType"] = "application/vnd.example.sbom";
  json["layers"] = Json::array();
  json["subject"] = descriptor(digest_b, std::string(oci_manifest));
  json["annotations"] = {{"org.example", "yes"}};
  const auto manifest = parse(json);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->artifact_type, "application/vnd.example.sbom");
  EXPECT_EQ(manifest->edges.back().kind, catalog::EdgeKind::subject);
  EXPECT_TRUE(manifest->edges.back().may_be_absent);
  EXPECT_EQ(manifest->annotations, R"({"org.example":"yes"})");
}

TEST(ParseManifest, NonDistributableLayersNeedNotExist) {
  auto json = image();
  json["layers"] = Json::array({descriptor(digest_a, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
                                descriptor(digest_a, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")});
  const auto manifest = parse(json);
  ASSERT_TRUE(manifest);
  EXPECT_TRUE(manifest->edges[1].may_be_absent);
  EXPECT_TRUE(manifest->edges[2].may_be_absent);
}

TEST(ParseManifest, TakesTheTypeFromHeaderBodyOrShape) {
  auto json = image();
  json.erase("mediaType");
  EXPECT_EQ(parse(json, docker_manifest)->media_type, docker_manifest);
  EXPECT_EQ(parse(json)->media_type, oci_manifest);
  json = index();
  json.erase("mediaType");
  EXPECT_EQ(parse(json)->media_type, oci_index);
}

TEST(ParseManifest, SaysWhatIsWrongWhere) {
  EXPECT_NE(refusal(image(), oci_index).find("mediaType is"), std::string::npos);
  EXPECT_NE(refusal({{"schemaVersion", 1}}).find("schemaVersion"), std::string::npos);
  EXPECT_NE(refusal(Json::array()).find("object"), std::string::npos);

  auto json = image();
  json.erase("config");
  EXPECT_NE(refusal(json).find("config"), std::string::npos);
  json = image();
  json["layers"][0]["digest"] = "sha256:short";
  EXPECT_NE(refusal(json).find("layers[0].digest"), std::string::npos);
  json = image();
  json["layers"][0]["size"] = -1;
  EXPECT_NE(refusal(json).find("layers[0].size"), std::string::npos);
  json = image();
  json["layers"] = "many";
  EXPECT_NE(refusal(json).find("layers"), std::string::npos);
  json = image();
  json["mediaType"] = "text/plain";
  EXPECT_NE(refusal(json).find("text/plain"), std::string::npos);
}

TEST(ParseManifest, AnImageIsNoIndex) {
  auto json = image();
  json["manifests"] = Json::array();
  EXPECT_NE(refusal(json), "accepted");
  json = index();
  json["layers"] = Json::array();
  EXPECT_NE(refusal(json), "accepted");
}

TEST(ParseManifest, HasLimits) {
  auto json = index();
  for (int i = 0; i < 20; ++i) json["manifests"].push_back(descriptor(digest_a));
  const auto many = parse(json, {}, {.descriptors_max = 20});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().failure, Failure::too_large);
  EXPECT_TRUE(parse(json, {}, {.descriptors_max = 21}));

  const auto deep =
      parse_manifest(R"({"schemaVersion":2,"x":)" + std::string(100, '[') + std::string(100, ']') + "}", {}, {});
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().failure, Failure::too_large);
  const auto large = parse(image(), {}, {.size_max = 10});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().failure, Failure::too_large);
}

}  // namespace
}  // namespace slipway::oci
