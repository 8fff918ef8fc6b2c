#pragma once
// Unpredictable bytes from the operating system.

#include <cstddef>
#include <string>

namespace slipway {

/// `bytes` random bytes as lower-case hex. Safe to call from any thread. Ends the process if the system has none to
/// give.
std::string random_hex(std::size_t bytes);

}  // namespace slipway
