#pragma once
// What an administrator can do, each once: the HTTP API runs these on a serving process, the command line on a stopped
// data directory. Parameters are text, answers JSON.

#include "access/access.hpp"
#include "base/json.hpp"
#include "blob/objects.hpp"
#include "blob/store.hpp"
#include "catalog/catalog.hpp"
#include "catalog/journal.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <span>

namespace slipway::admin {

class OpamControl;

/// What operations work on. Everything outlives it.
struct Instance {
  catalog::Catalog& catalog;
  blob::BlobStore& store;
  catalog::Journal journal;
  blob::Objects& journal_objects;
  const Clock& clock;
  std::filesystem::path data;
  std::vector<std::string> urls;  ///< where it serves; empty for a stopped one
  Timestamp started_at;
  OpamControl* opam = nullptr;  ///< null where nobody keeps opam repositories, as on a stopped directory
};

using Parameters = std::map<std::string, std::string>;

/// One row of the API: `GET` or `POST /api/v1/<name>?<parameter>=…`.
struct Operation {
  std::string_view name;
  bool changes;                 ///< POST, and refused in read-only mode unless it is server/set
  access::Action action;        ///< what the caller must be allowed …
  std::string_view named;       ///< … on the repository in this parameter; empty: on the server itself
  std::string_view moves;       ///< the parameter with the tag that it moves or removes, which may demand approval
  std::string_view parameters;  ///< for people: "repository tag?"
  std::string_view summary;
  Result<Json> (*run)(Instance&, const Parameters&, const std::string& who);
};

std::span<const Operation> operations();
const Operation* operation_named(std::string_view name);

/// The page size asked for as `n`: 1,000 where it is not, 10,000 at most.
Result<std::size_t> page_of(const Parameters& parameters);
/// A parameter that must be there; Failure::invalid names it.
Result<std::string> required(const Parameters& parameters, const std::string& name);

}  // namespace slipway::admin
