#include "oci/manifest.hpp"

#include "base/json.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

using catalog::EdgeKind;

Digest digest(std::string_view name) { return digest_of(as_bytes(name)); }

Json descriptor(std::string_view name, std::string_view type = "application/octet-stream") {
  return {{"mediaType", type}, {"digest", digest(name).text()}, {"size", name.size()}};
}

Json image() {
  return {{"schemaVersion", 2},
          {"mediaType", oci_manifest},
          {"config", descriptor("config", "application/vnd.oci.image.config.v1+json")},
          {"layers", Json::array({descriptor("layer 1"), descriptor("layer 2")})}};
}

Json index() {
  return {{"schemaVersion", 2},
          {"mediaType", oci_index},
          {"manifests", Json::array({descriptor("amd64", oci_manifest), descriptor("arm64", oci_manifest)})}};
}

/// `json` with `key` set, or without it where the value is null.
Json with(Json json, const char* key, const Json& value) {
  if (value.is_null())
    json.erase(key);
  else
    json[key] = value;
  return json;
}

Result<catalog::NewManifest> parse(const Json& json, std::string_view type = "") {
  return parse_manifest(json.dump(), type, {});
}

Failure failure_of(const Json& json, std::string_view type = "") {
  const auto parsed = parse(json, type);
  EXPECT_FALSE(parsed) << json;
  return parsed ? Failure::io : parsed.error().failure;
}

TEST(ImageManifest, PointsAtItsConfigAndLayersInOrder) {
  const auto bytes = image().dump(2);
  const auto parsed = parse_manifest(bytes, oci_manifest, {});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->bytes, bytes);  // kept as pushed
  EXPECT_EQ(parsed->media_type, oci_manifest);
  ASSERT_EQ(parsed->edges.size(), 3U);
  EXPECT_EQ(parsed->edges[0].kind, EdgeKind::config);
  EXPECT_EQ(parsed->edges[0].digest, digest("config"));
  EXPECT_EQ(parsed->edges[0].media_type, "application/vnd.oci.image.config.v1+json");
  EXPECT_EQ(parsed->edges[1].kind, EdgeKind::layer);
  EXPECT_EQ(parsed->edges[2].digest, digest("layer 2"));
  EXPECT_EQ(parsed->edges[2].size, 7U);
  for (const auto& edge : parsed->edges) EXPECT_FALSE(edge.may_be_absent);
}

TEST(ImageManifest, OfDockerIsOneToo) {
  const auto parsed = parse(with(image(), "mediaType", docker_manifest), docker_manifest);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->media_type, docker_manifest);
}

TEST(ImageManifest, MayHaveNoLayers) {
  EXPECT_EQ(parse(with(image(), "layers", Json::array()))->edges.size(), 1U);
  EXPECT_EQ(parse(with(image(), "layers", nullptr))->edges.size(), 1U);
}

TEST(ImageManifest, NeedsAConfig) {
  EXPECT_EQ(failure_of(with(image(), "config", nullptr)), Failure::invalid);
  EXPECT_EQ(failure_of(with(image(), "config", "x")), Failure::invalid);
  EXPECT_EQ(failure_of(with(image(), "config", Json::object())), Failure::invalid);
}

TEST(ImageManifest, NeedNotHaveForeignLayers) {
  for (const auto* type : {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                           "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}) {
    const auto parsed = parse(with(image(), "layers", Json::array({descriptor("far away", type)})));
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(parsed->edges[1].may_be_absent) << type;
  }
}

TEST(ImageManifest, IsNoIndexAsWell) {
  EXPECT_EQ(failure_of(with(image(), "manifests", Json::array())), Failure::invalid);
  EXPECT_EQ(failure_of(with(index(), "config", descriptor("c"))), Failure::invalid);
  EXPECT_EQ(failure_of(with(index(), "layers", Json::array())), Failure::invalid);
}

TEST(Index, PointsAtItsChildren) {
  for (const auto type : {oci_index, docker_list}) {
    const auto parsed = parse(with(index(), "mediaType", type), type);
    ASSERT_TRUE(parsed) << type;
    EXPECT_EQ(parsed->media_type, type);
    ASSERT_EQ(parsed->edges.size(), 2U);
    EXPECT_EQ(parsed->edges[1].kind, EdgeKind::child);
    EXPECT_EQ(parsed->edges[1].digest, digest("arm64"));
    EXPECT_FALSE(parsed->edges[1].may_be_absent);
  }
}

TEST(Index, MayBeEmpty) { EXPECT_TRUE(parse(with(index(), "manifests", Json::array()))->edges.empty()); }

TEST(Artifact, HasTheTypeItSays) {
  EXPECT_EQ(parse(with(image(), "artifactType", "application/x-sbom"))->artifact_type, "application/x-sbom");
  EXPECT_EQ(parse(image())->artifact_type, "application/vnd.oci.image.config.v1+json");
  EXPECT_EQ(parse(index())->artifact_type, std::nullopt);
  EXPECT_EQ(parse(with(index(), "artifactType", "application/x-set"))->artifact_type, "application/x-set");
}

TEST(Artifact, MayHaveASubjectThatIsNotThere) {
  for (const auto& json : {image(), index()}) {
    const auto parsed = parse(with(json, "subject", descriptor("image", oci_manifest)));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->edges.back().kind, EdgeKind::subject);
    EXPECT_EQ(parsed->edges.back().digest, digest("image"));
    EXPECT_TRUE(parsed->edges.back().may_be_absent);
  }
  EXPECT_EQ(failure_of(with(image(), "subject", "x")), Failure::invalid);
}

TEST(Artifact, KeepsItsAnnotationsForReferrers) {
  EXPECT_EQ(parse(with(image(), "annotations", {{"k", "v"}}))->annotations, R"({"k":"v"})");
  EXPECT_EQ(parse(image())->annotations, std::nullopt);
  EXPECT_EQ(parse(with(image(), "annotations", "x"))->annotations, std::nullopt);
}

TEST(MediaType, IsTheHeadersOrTheBodysButNotTwo) {
  EXPECT_EQ(parse(with(image(), "mediaType", nullptr), docker_manifest)->media_type, docker_manifest);
  EXPECT_EQ(parse(image(), std::string(oci_manifest) + " ; charset=utf-8")->media_type, oci_manifest);
  EXPECT_EQ(parse(image())->media_type, oci_manifest);
  EXPECT_EQ(failure_of(image(), docker_manifest), Failure::invalid);
  EXPECT_EQ(failure_of(index(), oci_manifest), Failure::invalid);
}

TEST(MediaType, IsGuessedByTheShapeWhereNobodySaysIt) {
  EXPECT_EQ(parse(with(image(), "mediaType", nullptr))->media_type, oci_manifest);
  EXPECT_EQ(parse(with(index(), "mediaType", nullptr))->media_type, oci_index);
}

TEST(MediaType, MustBeAManifests) {
  for (const auto* type :
       {"application/json", "text/plain", "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws", "application/vnd.oci.image.manifest.v2+json"})
    EXPECT_EQ(failure_of(with(image(), "mediaType", nullptr), type), Failure::invalid) << type;
}

TEST(Manifest, IsOfSchemaVersion2) {
  for (const auto& version : {Json(nullptr), Json(1), Json(3), Json("2"), Json::array({2})})
    EXPECT_EQ(failure_of(with(image(), "schemaVersion", version)), Failure::invalid) << version;
}

TEST(Manifest, IsAJsonObject) {
  for (const auto* text : {"", "[]", "1", "\"x\"", "null", "{", "{}{}", "\xff\xfe"}) {
    const auto parsed = parse_manifest(text, oci_manifest, {});
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().failure, Failure::invalid) << text;
  }
}

TEST(Descriptor, MustNameADigestAndASize) {
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, Json>>{{"digest", nullptr},
                                                           {"digest", 1},
                                                           {"digest", "sha256:short"},
                                                           {"digest", "md5:0123"},
                                                           {"digest", "sha256:" + std::string(64, 'A')},
                                                           {"size", nullptr},
                                                           {"size", -1},
                                                           {"size", 1.5},
                                                           {"size", "7"},
                                                           {"size", 18446744073709551615U},
                                                           {"size", 1ULL << 63}}) {
    const auto bad = with(descriptor("x"), key, value);
    const auto parsed = parse(with(image(), "layers", Json::array({descriptor("good"), bad})));
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().failure, Failure::invalid) << bad;
    EXPECT_NE(parsed.error().message.find("layers[1]"), std::string::npos) << parsed.error().message;
  }
  EXPECT_FALSE(parse(with(image(), "layers", Json::array({1}))));
  EXPECT_FALSE(parse(with(image(), "layers", "x")));
  EXPECT_FALSE(parse(with(index(), "manifests", Json::object())));
}

TEST(Descriptor, MayBeLargerThanFourGigabytes) {
  const auto parsed = parse(with(image(), "layers", Json::array({with(descriptor("x"), "size", 1ULL << 40)})));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->edges[1].size, 1ULL << 40);
}

TEST(Descriptor, MayBeNamedBySha512) {
  const auto sha512 = digest_of(as_bytes("x"), Algorithm::sha512);
  const auto parsed = parse(with(image(), "layers", Json::array({with(descriptor("x"), "digest", sha512.text())})));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->edges[1].digest, sha512);
}

TEST(Limits, StopTooManyDescriptors) {
  Json layers = Json::array();
  for (int i = 0; i < 10; ++i) layers.push_back(descriptor("x"));
  const auto text = with(image(), "layers", layers).dump();
  EXPECT_TRUE(parse_manifest(text, "", {.descriptors_max = 11}));
  const auto refused = parse_manifest(text, "", {.descriptors_max = 10});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::too_large);
}

TEST(Limits, StopTooManyBytes) {
  const auto text = image().dump();
  EXPECT_TRUE(parse_manifest(text, "", {.size_max = text.size()}));
  EXPECT_EQ(parse_manifest(text, "", {.size_max = text.size() - 1}).error().failure, Failure::too_large);
}

TEST(Limits, StopTooDeepNesting) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(parse_manifest(deep, "", {}).error().failure, Failure::too_large);
}

}  // namespace
}  // namespace slipway::oci
