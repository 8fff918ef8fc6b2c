#pragma once
// What administrators do with opam repositories. The server that keeps them does it (opam/control.hpp); here is what
// operations ask of it.

#include "base/json.hpp"

#include <chrono>
#include <optional>

namespace slipway::admin {

/// An opam repository by where it is published.
struct OpamPlace {
  std::string repository;
  std::string channel;
};

struct OpamSource {
  std::string git;
  std::string branch;  ///< empty: the one that HEAD names there
  std::optional<std::chrono::milliseconds> poll;
};

/// Safe to call from any thread. not_found for what is no opam repository of this server.
class OpamControl {
public:
  virtual ~OpamControl() = default;
  virtual Result<Json> list() = 0;
  virtual Result<Json> add(const OpamPlace& place, const OpamSource& source, const std::string& who) = 0;
  virtual Result<Json> remove(const OpamPlace& place, const std::string& who) = 0;
  virtual Result<Json> status(const OpamPlace& place) = 0;
  /// Looks at the git repository now, and waits for what that comes to.
  virtual Result<Json> sync(const OpamPlace& place) = 0;
  /// All that is wrong with what is published, and with what is not.
  virtual Result<Json> check(const OpamPlace& place) = 0;
  /// Up to `limit` sources after `last`, in order of their keys; `state` is "kept" or "missing", or empty for both.
  virtual Result<Json> sources(const OpamPlace& place, const std::string& state, const std::string& last,
                               std::size_t limit) = 0;
  /// `package` is NAME or NAME.VERSION.
  virtual Result<Json> explain(const OpamPlace& place, const std::string& package) = 0;
  /// Keeps a blob of the repository as a source, under those of `checksums` that are its own, and its strong ones.
  /// corrupt where one of them is another's.
  virtual Result<Json> keep(const std::string& repository, const std::string& digest,
                            const std::vector<std::string>& checksums) = 0;
};

}  // namespace slipway::admin
