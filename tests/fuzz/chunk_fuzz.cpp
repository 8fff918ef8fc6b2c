// Content-Range of an upload's chunk: what is accepted is what the header says, and never so large that sums overflow.

#include "input.hpp"
#include "oci/chunk.hpp"

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto header = input.rest();
  const auto chunk = oci::parse_chunk(header);
  SLIPWAY_INVARIANT((chunk && !*chunk) == header.empty());
  if (!chunk || !*chunk) return 0;
  const auto& [offset, length] = **chunk;
  SLIPWAY_INVARIANT(length > 0 && offset + length > offset && offset + length - 1 <= INT64_MAX);

  // Written out again, it is the header but for leading zeros, HTTP's unit and a size behind it.
  const auto again = std::to_string(offset) + "-" + std::to_string(offset + length - 1);
  const auto same = oci::parse_chunk(again);
  SLIPWAY_INVARIANT(same && *same == *chunk);
  if (header.find_first_of("b/") == header.npos && !header.starts_with('0') && header.find("-0") == header.npos)
    SLIPWAY_INVARIANT(header == again);
  return 0;
}
