#pragma once
namespace slipway {
/// "0.1.0": the project's version, as CMake knows it.
const char* version();
}  // namespace slipway
