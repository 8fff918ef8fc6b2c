#include "oci/manifest.hpp"

#include "base/json.hpp"

#include <fmt/format.h>

namespace slipway::oci {
namespace {

using catalog::Edge;
using catalog::EdgeKind;

/// Reads descriptors into edges, stopping at the first that is not one.
class EdgeReader {
public:
  EdgeReader(std::vector<Edge>& edges, std::size_t edges_max) : m_edges(edges), m_edges_max(edges_max) {}

  Result<> read_one(const Json& descriptor, EdgeKind kind, std::string_view where) {
    if (m_edges.size() == m_edges_max)
      return fail(Failure::too_large, fmt::format("more than {} descriptors", m_edges_max));
    if (!descriptor.is_object()) return fail(Failure::invalid, fmt::format("{} is not a descriptor object", where));
    auto digest = Digest::parse(string_at(descriptor, "digest"));
    if (!digest) return std::unexpected(digest.error().during(fmt::format("{}.digest", where)));
    const auto size = descriptor.find("size");
    if (size == descriptor.end() || !size->is_number_integer() || size->get<std::int64_t>() < 0)
      return fail(Failure::invalid, fmt::format("{}.size is not a size", where));
    auto media_type = string_at(descriptor, "mediaType");
    const bool foreign =
        media_type.find(".nondistributable.") != media_type.npos || media_type.find(".foreign.") != media_type.npos;
    m_edges.push_back(
        {kind, *digest, std::move(media_type), size->get<std::uint64_t>(), foreign || kind == EdgeKind::subject});
    return {};
  }

  Result<> read_all(const Json& manifest, const char* key, EdgeKind kind) {
    const auto list = manifest.find(key);
    if (list == manifest.end() || list->is_null()) return {};
    if (!list->is_array()) return fail(Failure::invalid, fmt::format("{} is not a list", key));
    for (std::size_t i = 0; i < list->size(); ++i) TRY(read_one((*list)[i], kind, fmt::format("{}[{}]", key, i)));
    return {};
  }

private:
  std::vector<Edge>& m_edges;
  const std::size_t m_edges_max;
};

std::string_view without_parameters(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && content_type.back() == ' ') content_type.remove_suffix(1);
  return content_type;
}

bool is_index_type(std::string_view type) { return type == oci_index || type == docker_list; }

/// The header's type, the body's, or what the shape says; never two that differ.
Result<std::string> media_type_of(const Json& json, std::string_view content_type) {
  std::string header(without_parameters(content_type));
  auto body = string_at(json, "mediaType");
  if (!header.empty() && !body.empty() && header != body)
    return fail(Failure::invalid, fmt::format("Content-Type is {} but mediaType is {}", header, body));
  if (!header.empty()) return header;
  if (!body.empty()) return body;
  return std::string(json.contains("manifests") ? oci_index : oci_manifest);
}

std::optional<std::string> artifact_type_of(const Json& json, bool is_index) {
  auto type = string_at(json, "artifactType");
  if (type.empty() && !is_index && json.contains("config")) type = string_at(json["config"], "mediaType");
  return type.empty() ? std::nullopt : std::optional(std::move(type));
}

}  // namespace

Result<catalog::NewManifest> parse_manifest(std::string bytes, std::string_view content_type,
                                            const ManifestLimits& limits) {
  TRY_ASSIGN(const Json json, parse_json(bytes, {.size_max = limits.size_max}));
  if (!json.is_object()) return fail(Failure::invalid, "a manifest is a JSON object");
  const auto version = json.find("schemaVersion");
  if (version == json.end() || *version != 2)
    return fail(Failure::invalid, "schemaVersion is not 2 (Docker's schema 1 is not accepted)");

  catalog::NewManifest out;
  TRY_ASSIGN(out.media_type, media_type_of(json, content_type));
  const bool is_index = is_index_type(out.media_type);
  if (!is_index && out.media_type != oci_manifest && out.media_type != docker_manifest)
    return fail(Failure::invalid,
                fmt::format("media type '{}' is not a manifest's; expected {}, {}, {} or {}",
                            out.media_type.substr(0, 200), oci_manifest, oci_index, docker_manifest, docker_list));
  EdgeReader reader(out.edges, limits.descriptors_max);
  if (is_index) {
    if (json.contains("config") || json.contains("layers"))
      return fail(Failure::invalid, "an index has no config and no layers");
    TRY(reader.read_all(json, "manifests", EdgeKind::child));
  } else {
    if (json.contains("manifests")) return fail(Failure::invalid, "an image manifest has no manifests");
    if (!json.contains("config")) return fail(Failure::invalid, "config is missing");
    TRY(reader.read_one(json["config"], EdgeKind::config, "config"));
    TRY(reader.read_all(json, "layers", EdgeKind::layer));
  }
  if (const auto subject = json.find("subject"); subject != json.end() && !subject->is_null())
    TRY(reader.read_one(*subject, EdgeKind::subject, "subject"));
  out.artifact_type = artifact_type_of(json, is_index);
  if (const auto annotations = json.find("annotations"); annotations != json.end() && annotations->is_object())
    out.annotations = annotations->dump(-1, ' ', false, Json::error_handler_t::replace);
  out.bytes = std::move(bytes);
  return out;
}

}  // namespace slipway::oci
