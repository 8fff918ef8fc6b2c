#pragma once
// Unpredictable bytes from the operating system, and names that only have to differ.

#include <cstddef>
#include <string>

namespace slipway {

/// `bytes` random bytes as lower-case hex. Safe to call from any thread. Ends the process if the system has none to
/// give.
std::string random_hex(std::size_t bytes);

/// 16 lower-case hex digits, other ones at each call in this process and most likely in any other. No secret: who saw
/// some of them can tell the next. Asks no generator of secrets, which costs microseconds. Safe to call from any
/// thread.
std::string unique_hex();

}  // namespace slipway
