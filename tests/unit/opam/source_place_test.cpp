#include "opam/source_place.hpp"

#include <gtest/gtest.h>

namespace slipway::opam {
namespace {

TEST(OpamSourcePlace, IsReadWithWhatIsLeftOut) {
  const auto whole = parse_source_place("team/opam@staging https://h/r.git#main/x").value();
  EXPECT_EQ(whole.repository, "team/opam");
  EXPECT_EQ(whole.channel, "staging");
  EXPECT_EQ(whole.source.url, "https://h/r.git");
  EXPECT_EQ(whole.source.branch, "main/x");
  const auto brief = parse_source_place(" opam  /srv/git ").value();
  EXPECT_EQ(brief.channel, "live");
  EXPECT_EQ(brief.source.branch, "");
}

TEST(OpamSourcePlace, IsRefusedWithAReason) {
  for (const auto* bad :
       {"", "opam", "opam url more", "Opam /x", "opam@.x /x", "opam ext::x", "opam --x", "opam /x#a..b"})
    EXPECT_EQ(parse_source_place(bad).error().failure, Failure::invalid) << bad;
}

}  // namespace
}  // namespace slipway::opam
