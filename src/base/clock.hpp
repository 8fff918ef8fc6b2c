#pragma once
// Time as an argument. Wall-clock instants are stored and shown; steady ones measure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

/// Microseconds since 1970 UTC; what the catalog stores.
using Timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
using Steady = std::chrono::steady_clock::time_point;

inline std::int64_t to_micros(Timestamp at) { return at.time_since_epoch().count(); }
inline Timestamp from_micros(std::int64_t micros) { return Timestamp(std::chrono::microseconds(micros)); }

/// "2026-11-22T08:15:30.123456Z" (RFC 3339).
std::string rfc3339(Timestamp at);
/// What rfc3339() writes, with or without the fraction; nothing for anything else.
std::optional<Timestamp> parse_rfc3339(std::string_view text);

/// Where the time comes from; tests hand in their own. Safe to call from any thread.
class Clock {
public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
};

class SystemClock final : public Clock {
public:
  Timestamp now() const override;
};

/// One for all who are not given another.
const Clock& system_clock();

}  // namespace slipway
