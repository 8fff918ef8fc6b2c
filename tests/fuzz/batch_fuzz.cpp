// Bodies of many small blobs: what is taken for a blob is one, and how the body was cut on its way makes no difference.
//
// Input: a byte that says how large the pieces are, then the body.

#include "input.hpp"
#include "oci/batch_format.hpp"

using namespace slipway;

namespace {

/// The blobs, and whether the body is a batch, if it comes in pieces of that size.
std::pair<std::string, bool> parsed(std::string_view body, std::size_t piece) {
  oci::BatchParser parser;
  std::string again;
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size()))) {
    const auto fed = parser.feed(as_bytes(body.substr(0, piece)), [&](const Digest& digest, const std::string& bytes) {
      SLIPWAY_INVARIANT(digest_of(as_bytes(bytes)) == digest && bytes.size() <= oci::batched_bytes_max);
      oci::append_batched(again, digest, as_bytes(bytes));
      return Result<>();
    });
    if (!fed) return {again, false};
  }
  return {again, parser.finish().has_value()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto piece = std::size_t{input.number<std::uint8_t>()} + 1;
  const auto body = input.rest();
  const auto whole = parsed(body, std::max<std::size_t>(body.size(), 1));
  SLIPWAY_INVARIANT(parsed(body, piece) == whole);
  // Written out again it is the body, but for zeros before a size.
  if (whole.second && body.find(" 0") == body.npos) SLIPWAY_INVARIANT(whole.first == body);
  return 0;
}
