#pragma once
// What is said on the way by whatever carries repositories from one place to another.

#include <cstdint>
#include <functional>
#include <string>

namespace slipway::moving {

/// Called by one thread at a time.
struct Listener {
  std::function<void(std::uint64_t bytes)> copied = [](std::uint64_t) {};
  /// Something that was there over there, or should have been, and is not here now.
  std::function<void(const std::string&)> problem = [](const std::string&) {};
  /// Something that one may want to know, though nothing is lost.
  std::function<void(const std::string&)> note = [](const std::string&) {};
};

}  // namespace slipway::moving
