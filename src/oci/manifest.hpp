#pragma once
// What a manifest points at, read out of its bytes: OCI image manifests and indexes (image-spec v1.1), Docker image
// manifests version 2 schema 2 and manifest lists, and artifacts in any of these shapes. The bytes themselves are kept
// as pushed.

#include "catalog/records.hpp"

#include <string_view>

namespace slipway::oci {

struct ManifestLimits {
  std::size_t size_max = 4U << 20;
  std::size_t descriptors_max = 10'000;
};

inline constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";

/// `content_type` as the client sent it, parameters and all; empty where it sent none. The media type is the header's;
/// without one, the body's mediaType. Failure::invalid, saying what is wrong where, for anything that is none of the
/// above or whose mediaType contradicts the header; too_large past a limit. `digest` of the result is left to the
/// caller.
Result<catalog::NewManifest> parse_manifest(std::string bytes, std::string_view content_type,
                                            const ManifestLimits& limits);

}  // namespace slipway::oci
