#pragma once
// Writes repositories into an OCI image layout: what their tags point at, all that it reaches, and what refers to it.
// Every blob is checked against its digest; one that is damaged or missing is told and passed over. What the layout has
// already is left as it is.

#include "catalog/catalog.hpp"
#include "moving/listener.hpp"
#include "moving/oci_layout.hpp"
#include "oci/manifest.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::moving {

/// One thing to be exported: a repository, or one of its tags or manifests.
struct Wanted {
  std::string repository;
  std::string tag;               ///< empty: all
  std::optional<Digest> digest;  ///< in place of a tag

  /// Of "REPO", "REPO:TAG" or "REPO@DIGEST"; Failure::invalid for anything else.
  static Result<Wanted> parse(std::string_view text);
};

struct ExportOptions {
  std::vector<Wanted> wanted;
  unsigned jobs = 4;      ///< threads that copy
  bool untagged = false;  ///< of whole repositories also what no tag reaches
  oci::ManifestLimits manifest;
};

struct ExportReport {
  std::uint64_t tags = 0;
  std::uint64_t manifests = 0;
  std::uint64_t referrers = 0;  ///< of the manifests, those listed because they refer to another
  std::uint64_t copied_blobs = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t kept_blobs = 0;  ///< that the layout had, each time that a manifest points at one
  std::uint64_t problems = 0;
  std::uint64_t notes = 0;
};

/// not_found where something of it is not there: before a layout is made for it.
Result<> expect_wanted(catalog::Catalog& catalog, const std::vector<Wanted>& wanted);

/// Names in the layout are TAG where `wanted` is of one repository, else REPO:TAG. not_found where something wanted is
/// not there at all: then nothing is listed. Fails where the layout cannot be written, or the store does not answer.
Result<ExportReport> export_repositories(catalog::Catalog& catalog, blob::BlobStore& store, OciLayout& layout,
                                         const ExportOptions& options, const Listener& listener);

}  // namespace slipway::moving
