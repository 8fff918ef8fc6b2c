#pragma once
// Where the configuration says that the bytes are: a directory below the data directory, or a bucket.

#include "base/clock.hpp"
#include "blob/objects.hpp"
#include "blob/store.hpp"
#include "cli/config.hpp"

namespace slipway::cli {

/// A store with what it stands on, and the journal's objects beside it.
class StorePlace {
public:
  /// `create` makes one that is not there; else not_found.
  static Result<std::unique_ptr<StorePlace>> open(const Config& config, const Clock& clock, bool create);
  virtual ~StorePlace() = default;

  virtual blob::BlobStore& store() = 0;
  virtual blob::Objects& journal() = 0;
};

/// For what only knows files: Failure::invalid, naming `command`, where the configuration has a bucket, or a database.
Result<> expect_files(const Config& config, const std::string& command);
Result<> expect_sqlite(const Config& config, const std::string& command);

}  // namespace slipway::cli
