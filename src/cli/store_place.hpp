#pragma once
// Where the configuration says that the bytes are: a directory below the data directory, or a bucket.

#include "base/clock.hpp"
#include "blob/objects.hpp"
#include "blob/store.hpp"
#include "cli/config.hpp"

namespace slipway::cli {

enum class StoreUse {
  make,      ///< to be made where it is not there
  existing,  ///< not_found where it is not there
  beside,    ///< the same, while a server may be using it: nothing of the data directory's is touched
  copy,      ///< as a copy that is not finished: no identity is asked for
};

/// A store with what it stands on, and the objects beside it.
class StorePlace {
public:
  static Result<std::unique_ptr<StorePlace>> open(const Config& config, const Clock& clock, StoreUse use);
  virtual ~StorePlace() = default;

  virtual blob::BlobStore& store() = 0;
  virtual blob::Objects& journal() = 0;
  /// Where the store's own marks are.
  virtual blob::Objects& root() = 0;
  /// Nothing is there.
  virtual Result<bool> is_unused() = 0;
  /// Keeps everybody from removing finished bytes while it lives, as far as the store can: a bucket's stay for as long
  /// as their last readers may need them.
  virtual Result<Fd> hold_removals() { return Fd(); }
  /// Keeps others from making copies from here, or to here, while it lives: Failure::busy where somebody does. Nothing
  /// where that does no harm: what lies in a bucket never changes.
  virtual Result<Fd> hold_copying() { return Fd(); }
  /// Takes from a copy that is not finished what a killed one left half done.
  virtual Result<> discard_unfinished() = 0;
  /// For messages.
  virtual const std::string& name() const = 0;
};

/// The configuration with the store, or the catalog, that a flag names: a URL, or the data directory in which they are
/// files.
Config with_store(Config config, const std::string& place);
Config with_catalog(Config config, const std::string& place);
/// What serves from there.
std::string serve_command(const Config& config);

}  // namespace slipway::cli
