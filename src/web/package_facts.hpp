#pragma once

#include "base/json.hpp"
#include "opam/syntax.hpp"

namespace slipway::web {

/// What an opam file tells people: its fields as texts and lists of texts, formulas as lists of their parts, each with
/// the package that it is about, if it is about one. Addresses that are none of http and https have no "link".
Json facts_of(std::span<const opam::Item> items);

}  // namespace slipway::web
