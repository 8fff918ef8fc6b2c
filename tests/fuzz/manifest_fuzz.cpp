// A manifest: kept as pushed, with no more edges than allowed and no digest that could not be written back.
//
// Input: a Content-Type up to the first newline, then the manifest.

#include "base/json.hpp"
#include "input.hpp"
#include "oci/manifest.hpp"

#include <algorithm>
#include <limits>

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr oci::ManifestLimits limits{.size_max = 3000, .descriptors_max = 6};
  Input input(data, size);
  const auto content_type = input.line();
  const std::string bytes(input.rest());

  const auto manifest = oci::parse_manifest(bytes, content_type, limits);
  if (!manifest) {
    const auto failure = manifest.error().failure;
    SLIPWAY_INVARIANT(failure == Failure::invalid || failure == Failure::too_large);
    SLIPWAY_INVARIANT(!manifest.error().message.empty());
    return 0;
  }
  SLIPWAY_INVARIANT(bytes.size() <= limits.size_max && manifest->bytes == bytes);
  const std::string_view type = manifest->media_type;
  const bool is_index = type == oci::oci_index || type == oci::docker_list;
  SLIPWAY_INVARIANT(is_index || type == oci::oci_manifest || type == oci::docker_manifest);
  if (!content_type.empty() && content_type.front() != ';') SLIPWAY_INVARIANT(content_type.starts_with(type));

  using catalog::EdgeKind;
  SLIPWAY_INVARIANT(manifest->edges.size() <= limits.descriptors_max);
  for (const auto& edge : manifest->edges) {
    SLIPWAY_INVARIANT(Digest::parse(edge.digest.text()) == edge.digest);
    SLIPWAY_INVARIANT(edge.size <= std::numeric_limits<std::int64_t>::max());
    SLIPWAY_INVARIANT(edge.kind == EdgeKind::subject || is_index == (edge.kind == EdgeKind::child));
    if (edge.kind == EdgeKind::subject) SLIPWAY_INVARIANT(edge.may_be_absent);
  }
  const auto count = [&](EdgeKind kind) { return std::ranges::count(manifest->edges, kind, &catalog::Edge::kind); };
  SLIPWAY_INVARIANT(count(EdgeKind::config) == (is_index ? 0 : 1) && count(EdgeKind::subject) <= 1);
  SLIPWAY_INVARIANT(!manifest->artifact_type || !manifest->artifact_type->empty());
  if (manifest->annotations) {
    const auto annotations = parse_json(*manifest->annotations);
    SLIPWAY_INVARIANT(annotations && annotations->is_object());
  }
  return 0;
}
