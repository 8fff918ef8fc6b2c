#pragma once
// Shared by the catalog's .cpp files; not for others.

#include "catalog/catalog.hpp"

namespace slipway::catalog {

/// The name caches' key. A NUL separates, which neither part can hold.
std::string cache_key(const std::string& repository, const std::string& reference);

/// A row of (blob id, size, location id, kind, key, offset, length).
StoredBlob blob_of(const sql::Row& row);

}  // namespace slipway::catalog
