#include "oci/active_uploads.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

TEST(ActiveUploads, TheNewestClaimWins) {
  ActiveUploads active;
  const auto first = active.claim("u");
  EXPECT_FALSE(first->revoked);
  const auto second = active.claim("u");
  EXPECT_TRUE(first->revoked);
  EXPECT_FALSE(second->revoked);
}

TEST(ActiveUploads, TheOlderOneSavesBeforeTheNewerOneGoesOn) {
  ActiveUploads active;
  int saved = 0;
  const auto first = active.claim("u");
  first->save = [&] { ++saved; };
  active.claim("u");
  EXPECT_EQ(saved, 1);
}

TEST(ActiveUploads, OtherUploadsAreLeftAlone) {
  ActiveUploads active;
  const auto mine = active.claim("mine");
  active.claim("yours");
  EXPECT_FALSE(mine->revoked);
}

TEST(ActiveUploads, AReleasedOneIsNotRevokedAgain) {
  ActiveUploads active;
  int saved = 0;
  const auto first = active.claim("u");
  first->save = [&] { ++saved; };
  active.release("u", first);
  active.claim("u");
  EXPECT_EQ(saved, 0);
  EXPECT_FALSE(first->revoked);
}

TEST(ActiveUploads, ALateReleaseDoesNotTouchTheNewerClaim) {
  ActiveUploads active;
  const auto first = active.claim("u");
  const auto second = active.claim("u");
  active.release("u", first);
  active.claim("u");
  EXPECT_TRUE(second->revoked);
}

}  // namespace
}  // namespace slipway::oci
