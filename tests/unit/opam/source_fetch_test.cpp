#include "opam/source_fetch.hpp"

#include "opam/source_hasher.hpp"
#include "opam_fixture.hpp"
#include "support/scripted_server.hpp"

#include <gmock/gmock.h>

namespace slipway::opam {
namespace {

using s3::answer;
using testing::HasSubstr;

std::vector<Checksum> checksums_of(std::string_view bytes) {
  SourceHasher hasher;
  hasher.update(as_bytes(bytes));
  return hasher.checksums();
}

TEST(OpamSourceHasher, KnowsAllOfThem) {
  SourceHasher hasher;
  hasher.update(as_bytes("x"));
  hasher.restart();
  hasher.update(as_bytes("a"));
  hasher.update(as_bytes("bc"));
  const auto sums = hasher.checksums();
  EXPECT_EQ(sums[0].text(), "md5=900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(sums[1].text(), "sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(sums[2].text().starts_with("sha512=ddaf35a193617abacc417349ae204131"));
}

class OpamSourceFetchTest : public OpamFixture {
protected:
  Source source(std::vector<Checksum> checksums, std::vector<std::string> targets = {"/a.tgz"}) {
    Source out{.extra_name = {}, .urls = {}, .checksums = std::move(checksums)};
    for (const auto& target : targets) out.urls.push_back(m_upstream.url() + target);
    return out;
  }
  Result<KeptSource> fetch(const Source& source) {
    return fetch_source(source, m_connections, m_hosts, {*m_catalog, m_client, (m_directory / "spool").string()},
                        {.may_be_private = true, .pause = {}});
  }
  bool keeps(const Checksum& checksum) { return m_catalog->find_pin("opam", checksum.text()).has_value(); }

  const std::vector<Checksum> m_sums = checksums_of("archive");
  s3::ScriptedServer m_upstream;
  http::Client m_connections{0};
  Hosts m_hosts{std::chrono::milliseconds(0), std::chrono::milliseconds(0)};
};

TEST_F(OpamSourceFetchTest, KeepsWhatIsAsListed) {
  m_upstream.add(answer(200, "archive"));
  const auto kept = fetch(source(m_sums));
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(kept->size, 7U);
  EXPECT_EQ(kept->digest, digest_of(as_bytes("archive")));
  for (const auto& checksum : m_sums) EXPECT_TRUE(keeps(checksum)) << checksum.text();
  EXPECT_TRUE(m_catalog->find_blob("opam", kept->digest));
  EXPECT_TRUE(std::filesystem::is_empty(m_directory / "spool"));
}

TEST_F(OpamSourceFetchTest, AnswersByMd5OnlyWhereItIsListed) {
  m_upstream.add(answer(200, "archive"));
  ASSERT_TRUE(fetch(source({m_sums[1]})));
  EXPECT_FALSE(keeps(m_sums[0]));
  EXPECT_TRUE(keeps(m_sums[1]) && keeps(m_sums[2]));
  m_upstream.add(answer(200, "archive"));
  ASSERT_TRUE(fetch(source({m_sums[0], m_sums[2]})));
  EXPECT_TRUE(keeps(m_sums[0]));
}

TEST_F(OpamSourceFetchTest, GoesOnToMirrors) {
  m_upstream.add(answer(404));
  m_upstream.add(answer(200, "<html>sign in</html>", "Content-Type: text/html\r\n"));
  m_upstream.add(answer(200, "archive"));
  const auto kept = fetch(source(m_sums, {"/gone", "/portal", "/mirror"}));
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(kept->url, m_upstream.url() + "/mirror");
}

TEST_F(OpamSourceFetchTest, LeavesAHostAloneThatDoesNotAnswer) {
  const auto host = host_of(m_upstream.url());
  Hosts hosts{std::chrono::hours(1), std::chrono::hours(1)};
  const auto ask = [&](const std::vector<std::string>& targets) {
    return fetch_source(source(m_sums, targets), m_connections, hosts,
                        {*m_catalog, m_client, (m_directory / "spool").string()},
                        {.may_be_private = true, .pause = {}});
  };
  m_upstream.add(answer(404));
  ASSERT_FALSE(ask({"/a"}));
  EXPECT_FALSE(hosts.rest_of(host));  // which says what it has not
  m_upstream.add(answer(503));
  ASSERT_FALSE(ask({"/a", "/b"}));
  EXPECT_TRUE(hosts.rest_of(host));
  const auto asked = m_upstream.requests().size();
  const auto refused = ask({"/c"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::unavailable);
  EXPECT_NE(refused.error().message.find("503"), std::string::npos) << refused.error().message;
  EXPECT_EQ(m_upstream.requests().size(), asked);
  hosts.told(host, {});
  EXPECT_FALSE(hosts.rest_of(host));
}

TEST_F(OpamSourceFetchTest, NeedsNothingThatIsHereUnderAnotherChecksum) {
  m_upstream.add(answer(200, "archive"));
  ASSERT_TRUE(fetch(source({m_sums[1]})));
  ASSERT_FALSE(keeps(m_sums[0]));
  const auto again = fetch(source({m_sums[0], m_sums[1]}, {"/gone"}));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->url.empty());
  EXPECT_TRUE(keeps(m_sums[0]));
  auto wrong = m_sums[0];
  wrong.hex[0] = wrong.hex[0] == '0' ? '1' : '0';
  m_upstream.add(answer(404));
  EXPECT_FALSE(fetch(source({wrong, m_sums[1]}, {"/other"})));
  EXPECT_EQ(m_upstream.requests().size(), 2U);
}

TEST_F(OpamSourceFetchTest, TellsWhatEachCameTo) {
  m_upstream.add(answer(404));
  m_upstream.add(answer(200, "<html>sign in</html>", "Content-Type: text/html; charset=x\r\n"));
  const auto failed = fetch(source(m_sums, {"/gone", "/portal"}));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().failure, Failure::corrupt);
  EXPECT_THAT(failed.error().message, HasSubstr("/gone answered 404; http"));
  EXPECT_THAT(failed.error().message, HasSubstr("/portal has md5 "));
  EXPECT_THAT(failed.error().message, HasSubstr("it is a web page"));
  for (const auto& checksum : m_sums) EXPECT_FALSE(keeps(checksum));
}

TEST_F(OpamSourceFetchTest, WantsAllChecksumsToBeTrue) {
  auto sums = m_sums;
  sums[2].hex[0] = sums[2].hex[0] == 'a' ? 'b' : 'a';
  m_upstream.add(answer(200, "archive"));
  const auto failed = fetch(source(sums));
  EXPECT_EQ(failed.error().failure, Failure::corrupt);
  EXPECT_THAT(failed.error().message, HasSubstr("sha512"));
  EXPECT_FALSE(keeps(m_sums[0]));
}

TEST_F(OpamSourceFetchTest, ANameStaysWithTheFirst) {
  push("opam", "other");
  ASSERT_TRUE(m_catalog->pin_blob("opam", digest_of(as_bytes("other")), {m_sums[0].text()}));
  m_upstream.add(answer(200, "archive"));
  const auto kept = fetch(source(m_sums));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->taken, std::vector<Checksum>{m_sums[0]});
  EXPECT_EQ(m_catalog->find_pin("opam", m_sums[0].text())->digest, digest_of(as_bytes("other")));
}

TEST_F(OpamSourceFetchTest, LosesNothingWhereTheStoreFails) {
  m_upstream.add(answer(200, "archive"));
  m_store.plan.arm(1, test::Fault::before, Failure::no_space);
  EXPECT_EQ(fetch(source(m_sums, {"/a", "/b"})).error().failure, Failure::no_space);
  EXPECT_EQ(m_upstream.requests().size(), 1U);
  m_store.plan.disarm();
  EXPECT_FALSE(keeps(m_sums[1]));
  m_upstream.add(answer(200, "archive"));
  EXPECT_TRUE(fetch(source(m_sums)));
}

}  // namespace
}  // namespace slipway::opam
