#include "oci/chunk.hpp"

#include <charconv>
#include <limits>

namespace slipway::oci {

Result<std::optional<ByteRange>> parse_chunk(std::string_view header) {
  if (header.empty()) return std::nullopt;
  if (header.starts_with("bytes ")) header.remove_prefix(6);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  const auto* end = header.data() + header.size();
  const auto from = std::from_chars(header.data(), end, first);
  const bool dashed = from.ec == std::errc() && from.ptr != end && *from.ptr == '-';
  const auto to = dashed ? std::from_chars(from.ptr + 1, end, last) : from;
  const bool shaped = dashed && to.ec == std::errc() && (to.ptr == end || *to.ptr == '/');
  if (!shaped || last < first || last > std::numeric_limits<std::int64_t>::max())
    return fail(Failure::invalid, "Content-Range is not <first>-<last>");
  return ByteRange{first, last - first + 1};
}

}  // namespace slipway::oci
