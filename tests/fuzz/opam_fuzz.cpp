// opam files: whatever is read can be written and read again as the same.

#include "input.hpp"
#include "opam/syntax.hpp"

#include <algorithm>

using namespace slipway;
using namespace slipway::opam;

namespace {

bool same(const Value& a, const Value& b) {
  return a.kind == b.kind && a.text == b.text &&
         std::ranges::equal(a.children, b.children, [](const Value& x, const Value& y) { return same(x, y); });
}

void check(const std::vector<Item>& items) {
  for (const auto& item : items) {
    if (item.is_section) {
      check(item.items);
      continue;
    }
    const auto again = parse_file("x: " + to_text(item.value), "again");
    SLIPWAY_INVARIANT(again);
    SLIPWAY_INVARIANT(again->size() == 1 && same((*again)[0].value, item.value));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto items = parse_file(Input(data, size).rest(), "opam");
  if (items) check(*items);
  return 0;
}
