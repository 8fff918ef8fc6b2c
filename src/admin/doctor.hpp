#pragma once
// Is everything as it should be? Each check says ok, warn or fail, and what to do.

#include "admin/operations.hpp"

namespace slipway::admin {

/// {"checks":[{"name","state","message"}],"unreachable":{…},"healthy":bool}. With "deep", also compares every file of
/// the store with the catalog.
Result<Json> run_doctor(Instance& instance, const Parameters& parameters, const std::string& who);

}  // namespace slipway::admin
