#pragma once
// The operations of opam repositories, for the table of all (operations.cpp).

#include "admin/operations.hpp"

namespace slipway::admin {

std::span<const Operation> opam_operations();

}  // namespace slipway::admin
