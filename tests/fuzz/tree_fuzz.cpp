// Trees that others pushed: an index, a shard, a listing. What is accepted keeps the promises that lookups rely on, and
// is read again as it is written.
//
// Input: a byte that chooses which, then the text.

#include "input.hpp"
#include "publish/paths.hpp"
#include "publish/tree.hpp"

#include <algorithm>

using namespace slipway;
using namespace slipway::publish;

namespace {

void check_listing(std::string_view text) {
  const auto listing = parse_listing(text);
  // A space at the end makes it a text that is not as we write it: what it says is the same.
  const auto general = parse_listing(std::string(text) + " ");
  SLIPWAY_INVARIANT(listing.has_value() == general.has_value() || text.size() >= listing_bytes_max);
  if (!listing) return;
  SLIPWAY_INVARIANT(!general || general->files == listing->files);
  const auto& files = listing->files;
  SLIPWAY_INVARIANT(files.size() <= shard_files_max);
  SLIPWAY_INVARIANT(std::ranges::is_sorted(files, {}, &File::path));
  for (const auto& file : files) {
    SLIPWAY_INVARIANT(check_path(file.path).has_value());
    SLIPWAY_INVARIANT(file.media_type.find_first_of("\r\n") == std::string::npos);
    SLIPWAY_INVARIANT(listing->find(file.path) == &file);
  }
  if (files.empty()) return;
  const auto again = parse_listing(write_shard(files).listing);
  SLIPWAY_INVARIANT(again && again->files == files);
}

void check_index(std::string_view text) {
  const auto snapshot = parse_index(text);
  if (!snapshot) return;
  for (const auto& shard : snapshot->shards) SLIPWAY_INVARIANT(snapshot->shard_of(shard.first) == &shard);
  const auto index = write_index(*snapshot);
  const auto again = index ? parse_index(*index) : std::unexpected(index.error());
  SLIPWAY_INVARIANT(!index || (again && again->shards == snapshot->shards));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto which = input.number<std::uint8_t>() % 4;
  if (which == 0) check_listing(input.rest());
  if (which == 1) check_index(input.rest());
  if (which == 2) static_cast<void>(parse_shard(input.rest()));
  if (which == 3) static_cast<void>(check_path(input.rest()));
  return 0;
}
