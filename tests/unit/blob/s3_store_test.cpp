#include "blob/s3_store.hpp"

#include "support/manual_clock.hpp"
#include "support/scripted_server.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

namespace slipway::blob {
namespace {

TEST(S3Store, IsNotTakenForSomethingElseWhileAnotherReplicaMakesIt) {
  const std::string identity = "0123456789abcdef0123456789abcdef";
  s3::ScriptedServer server({
      s3::refusal(404, "NoSuchKey"),
      s3::answer(200, "<ListBucketResult><Contents><Key>p/store.id</Key><Size>32</Size></Contents></ListBucketResult>"),
      s3::answer(206, identity, "Content-Range: bytes 0-31/32\r\n"),
  });
  test::ManualClock clock;
  std::vector<std::unique_ptr<s3::KeySource>> sources;
  sources.push_back(s3::fixed_keys({"ACCESS", "secret", ""}));
  s3::Keyring keyring(std::move(sources), clock);
  s3::Bucket bucket({.endpoint = server.url(), .bucket = "b"}, keyring, clock);
  const test::TempDirectory spool;
  const auto store = S3Store::open(bucket, {.prefix = "p/", .spool = spool.path()});
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->identity().value(), identity);
  EXPECT_EQ(server.requests().size(), 3U);
}

}  // namespace
}  // namespace slipway::blob
