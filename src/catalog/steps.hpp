#pragma once
// Shared by the catalog's .cpp files; not for others.

#include "catalog/catalog.hpp"

namespace slipway::catalog {

/// The name caches' key. A NUL separates, which neither part can hold.
std::string cache_key(const std::string& repository, const std::string& reference);

/// A row of (blob id, size, location id, kind, key, offset, length).
StoredBlob blob_of(const sql::Row& row);

/// In a write: ids are given out far after `first` and after all so far. How far, nobody knows: two catalogs that go on
/// from the same state, as after a restore, never give the same id to different bytes.
void leap_over_locations(sql::Session& session, std::int64_t first);

}  // namespace slipway::catalog
