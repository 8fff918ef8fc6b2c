#pragma once
// Names of the distribution spec, and its paths.
// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

#include "base/digest.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace slipway::oci {

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/…)*`, at most 255 bytes.
bool is_repository_name(std::string_view name);
/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
bool is_tag(std::string_view name);

/// What a path below /v2/ is about. `missing` and `batch` are our own: NAME/_slipway/missing and …/blobs.
enum class Resource { base, token, catalog, blob, uploads, upload, manifest, tags, referrers, missing, batch, unknown };

struct Path {
  Resource resource = Resource::unknown;
  std::string repository;  ///< as written; check is_repository_name()
  std::string last;        ///< a digest, tag or upload id, as written
};

/// Takes the decoded segments after "v2" apart *from the right*: a repository may have parts called "blobs" or "tags".
Path parse_path(const std::vector<std::string>& segments, bool trailing_slash);

}  // namespace slipway::oci
