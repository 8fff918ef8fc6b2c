#pragma once
// The ground under the catalog's contract: a database of each kind, a clock that stands still, and short names for what
// every test does.

#include "catalog/catalog.hpp"
#include "database_ground.hpp"
#include "support/manual_clock.hpp"

#include <gtest/gtest.h>

namespace slipway::catalog {

class CatalogContract : public testing::TestWithParam<sql::DatabaseKind> {
protected:
  CatalogContract() { reopen(); }

  void reopen() {
    m_catalog.reset();
    m_database.reset();
    m_database = m_ground->open();
    m_catalog = std::move(Catalog::open(*m_database, m_clock).value());
  }

  /// A location of its own, as a store would give back.
  blob::Location location_for(std::string_view text) {
    const auto id = m_catalog->next_location().value();
    return {id, blob::LocationKind::raw, "raw/" + std::to_string(number_of(id)), {0, text.size()}};
  }

  Digest add_blob(const std::string& repository, std::string_view text) {
    const auto digest = digest_of(as_bytes(text));
    const auto kept = m_catalog->commit_blob(repository, {digest}, location_for(text), "store", {}, false);
    EXPECT_TRUE(kept) << kept.error().message;
    return digest;
  }

  static NewManifest manifest(const std::string& bytes, std::vector<Edge> edges = {}) {
    return {.digest = digest_of(as_bytes(bytes)),
            .media_type = "application/vnd.oci.image.manifest.v1+json",
            .bytes = bytes,
            .artifact_type = std::nullopt,
            .annotations = std::nullopt,
            .edges = std::move(edges)};
  }

  /// Puts it; its digest.
  Digest put(const std::string& repository, const NewManifest& manifest, const std::vector<std::string>& tags) {
    const auto outcome = m_catalog->put_manifest(repository, manifest, tags, "alice", true);
    EXPECT_TRUE(outcome) << outcome.error().message;
    EXPECT_TRUE(outcome->missing.empty());
    return manifest.digest;
  }

  /// What a tag points at: the manifest's bytes, or the failure in parentheses.
  std::string tag(const std::string& repository, const std::string& name) {
    const auto found = m_catalog->find_tag(repository, name);
    return found ? *found->bytes : text_of(found.error());
  }
  std::string manifest_at(const std::string& repository, const Digest& digest) {
    const auto found = m_catalog->find_manifest(repository, digest);
    return found ? *found->bytes : text_of(found.error());
  }
  /// Where a blob's bytes lie, or the failure in parentheses.
  std::string blob_at(const std::string& repository, const Digest& digest) {
    const auto found = m_catalog->find_blob(repository, digest);
    return found ? found->location.key : text_of(found.error());
  }
  static std::string text_of(const Error& error) { return std::string("(") + name_of(error.failure) + ")"; }

  std::unique_ptr<sql::DatabaseGround> m_ground = GetParam().make();
  test::ManualClock m_clock;
  std::unique_ptr<sql::Database> m_database;
  std::unique_ptr<Catalog> m_catalog;
};

}  // namespace slipway::catalog
