#pragma once
// What opam's part of a server is given by the configuration.

#include "cli/config.hpp"
#include "oci/registry.hpp"
#include "opam/repositories.hpp"

namespace slipway::cli {

/// Clones and archives lie below `data`.
Result<opam::RepositoriesOptions> opam_options_of(const Config& config, const std::filesystem::path& data);

/// What git servers sign their notices with; empty where no file is named.
Result<std::string> read_hook_secret(const Config& config);

/// A client of this process's own registry, who may do everything and is called `who`.
http::Asking ask_registry(oci::Registry& registry, std::string who);

}  // namespace slipway::cli
