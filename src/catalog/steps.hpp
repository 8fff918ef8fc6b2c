#pragma once
// Shared by the catalog's .cpp files; not for others.

#include "catalog/catalog.hpp"

namespace slipway::catalog {

/// The name caches' key. A NUL separates, which neither part can hold.
std::string cache_key(const std::string& repository, const std::string& reference);

/// not_found.
Error no_blob(const std::string& repository, const Digest& digest);

/// A row of (blob id, size, location id, kind, key, offset, length, the blob's created_at).
StoredBlob blob_of(const sql::Row& row);

/// Such a row of the blob that has a digest: $1 algorithm, $2 value.
constexpr std::string_view select_known_blob =
    "SELECT b.id, b.size, l.id, l.kind, l.key, l.offset, l.length, b.created_at FROM digest d JOIN blob b ON b.id = "
    "d.blob "
    "JOIN location l ON l.blob = b.id WHERE d.algorithm = $1 AND d.value = $2 AND l.state = 1 ORDER BY l.id LIMIT 1";

/// $1 its id, $2 the blob's, $3 the store, $4 kind, $5 key, $6 offset, $7 length.
constexpr std::string_view insert_location = "INSERT INTO location (id, blob, store, kind, key, \"offset\", length, "
                                             "state) VALUES ($1, $2, $3, $4, $5, $6, $7, 1)";

/// A pack has more blobs that are wanted. Throws busy where it was condemned meanwhile.
void count_packed(sql::Session& session, const std::string& key, std::int64_t blobs, std::int64_t bytes);

/// Where a tag of the repository of that id points.
std::optional<Digest> tag_now(sql::Session& session, std::int64_t repository, const std::string& tag);

/// In a write: ids are given out far after `first` and after all so far. How far, nobody knows: two catalogs that go on
/// from the same state, as after a restore, never give the same id to different bytes.
void leap_over_locations(sql::Session& session, std::int64_t first);

}  // namespace slipway::catalog
