// Many digests, and many small blobs, in a request each.

#include "oci/batch_format.hpp"
#include "oci/registry.hpp"
#include "support/oci_client.hpp"
#include "support/storage.hpp"

namespace slipway::oci {
namespace {

using test::OciAnswer;
using Blobs = std::vector<std::string>;

class BatchesTest : public testing::Test, protected test::Storage {
protected:
  BatchesTest() { serve({}); }

  void serve(RegistryOptions options, access::Anonymous anonymous = access::Anonymous::everything) {
    m_access =
        std::move(access::Access::open({.anonymous = anonymous, .admin_token_sha256 = std::string(64, '0')}).value());
    m_registry.emplace(*m_catalog, m_store, m_bytes.identity().value(), *m_access, std::move(options));
    m_client.emplace(*m_registry);
  }

  static std::string digest(std::string_view bytes) { return digest_of(as_bytes(bytes)).text(); }
  static std::string batch_of(const Blobs& blobs) {
    std::string out;
    for (const auto& blob : blobs) append_batched(out, digest_of(as_bytes(blob)), as_bytes(blob));
    return out;
  }

  OciAnswer post(const std::string& repository, const std::string& body, std::size_t pieces = 1) {
    return m_client->ask("POST", "/v2/" + repository + "/_slipway/blobs", {}, body, pieces);
  }
  OciAnswer put(const std::string& repository, const Blobs& blobs) { return post(repository, batch_of(blobs)); }

  /// Which of the texts are not there.
  Blobs missing(const std::string& repository, const Blobs& blobs) {
    std::string lines;
    for (const auto& blob : blobs) lines += digest(blob) + "\n";
    const auto answer = m_client->ask("POST", "/v2/" + repository + "/_slipway/missing", {}, lines);
    EXPECT_EQ(answer.status, 200) << answer.body;
    Blobs out;
    for (const auto& blob : blobs)
      if (answer.body.find(digest(blob) + "\n") != std::string::npos) out.push_back(blob);
    EXPECT_EQ(answer.body.size(), out.size() * (digest("").size() + 1));
    return out;
  }

  std::string get(const std::string& repository, const std::string& blob) {
    return m_client->ask("GET", "/v2/" + repository + "/blobs/" + digest(blob)).body;
  }

  std::unique_ptr<access::Access> m_access;
  std::optional<Registry> m_registry;
  std::optional<test::OciClient> m_client;
};

TEST_F(BatchesTest, BlobsOfABatchAreThere) {
  Blobs blobs;
  for (int i = 0; i < 1500; ++i) blobs.push_back("blob " + std::to_string(i));  // more than one group
  blobs.push_back("");
  blobs.push_back(std::string(batched_bytes_max, 'x'));
  blobs.push_back("blob 7");  // twice
  EXPECT_EQ(missing("a", blobs).size(), blobs.size());
  const auto answer = post("a", batch_of(blobs), 11);
  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.body, "{\"blobs\":1503}\n");
  EXPECT_EQ(missing("a", blobs), Blobs{});
  for (const auto* blob : {"blob 0", "blob 7", "blob 1499", ""}) EXPECT_EQ(get("a", blob), blob);
}

TEST_F(BatchesTest, WhatIsThereIsNotStoredAgain) {
  put("a", {"one", "two"});
  const auto there = m_bytes.locations();
  EXPECT_EQ(put("b", {"two", "three"}).status, 201);
  EXPECT_EQ(m_bytes.locations(), there + 1);
  EXPECT_EQ(get("b", "two"), "two");
  EXPECT_EQ(get("b", "one").find("one"), std::string::npos);
}

TEST_F(BatchesTest, WhatAnotherRepositoryHasIsNotMissing) {
  put("a", {"one", "two"});
  EXPECT_EQ(missing("b", {"one", "two", "three"}), Blobs{"three"});
  EXPECT_EQ(get("b", "one"), "one");
}

TEST_F(BatchesTest, ManifestsAreNotMissingWhereTheyAre) {
  const std::string index =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
  ASSERT_EQ(m_client->ask("PUT", "/v2/a/manifests/t", {}, index).status, 201);
  EXPECT_EQ(missing("a", {index}), Blobs{});
  EXPECT_EQ(missing("b", {index}), Blobs{index});
}

TEST_F(BatchesTest, LostBytesAreMissingUntilTheyComeAgain) {
  put("a", {"one", "two"});
  std::vector<blob::Location> all;
  ASSERT_TRUE(m_bytes.list([&](const blob::Location& one) { all.push_back(one); }));
  for (const auto& one : all) ASSERT_TRUE(m_bytes.remove(one));
  EXPECT_EQ(missing("a", {"one", "two"}), (Blobs{"one", "two"}));
  EXPECT_EQ(put("a", {"one"}).status, 201);
  EXPECT_EQ(missing("a", {"one", "two"}), Blobs{"two"});
  EXPECT_EQ(get("a", "one"), "one");
}

TEST_F(BatchesTest, WhatCameBeforeAnErrorIsKeptByWholeGroups) {
  Blobs blobs;
  for (int i = 0; i < 600; ++i) blobs.push_back("blob " + std::to_string(i));
  const auto answer = post("a", batch_of(blobs) + digest("one") + " 3\ntwo");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code(), "DIGEST_INVALID");
  EXPECT_NE(answer.body.find("blob 601"), std::string::npos);
  EXPECT_EQ(missing("a", blobs).size(), 600U - 512U);
}

TEST_F(BatchesTest, WhateverFailsNothingIsThereThatIsNot) {
  put("b", {"two"});
  for (int call = 1;; ++call) {
    m_store.plan.arm(call, test::Fault::before, Failure::no_space);
    const auto status = put("a", {"one" + std::to_string(call), "two"}).status;
    const bool struck = m_store.plan.has_struck();
    m_store.plan.disarm();
    if (status == 507)
      EXPECT_EQ(missing("a", {"one" + std::to_string(call)}).size(), 1U);
    else
      EXPECT_EQ(get("a", "one" + std::to_string(call)), "one" + std::to_string(call));
    EXPECT_EQ(get("b", "two"), "two");
    if (!struck) break;
    EXPECT_LT(call, 20);
  }
}

TEST_F(BatchesTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(post("a", "").status, 400);
  EXPECT_EQ(m_client->ask("GET", "/v2/a/_slipway/blobs").status, 405);
  EXPECT_EQ(m_client->ask("PUT", "/v2/a/_slipway/missing").status, 405);
  EXPECT_EQ(m_client->ask("POST", "/v2/a/_slipway/other").status, 404);
  EXPECT_EQ(m_client->ask("POST", "/v2/A/_slipway/missing").code(), "NAME_INVALID");
  const auto ask = [&](const std::string& lines) {
    return m_client->ask("POST", "/v2/a/_slipway/missing", {}, lines).status;
  };
  EXPECT_EQ(ask("sha256:0\n"), 400);
  EXPECT_EQ(ask("\n"), 400);
  EXPECT_EQ(ask(digest_of(as_bytes(std::string_view("x")), Algorithm::sha512).text()), 400);
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += digest("x") + "\n";
  EXPECT_EQ(ask(many), 413);
  EXPECT_EQ(ask(many.substr(digest("x").size() + 1)), 200);
  EXPECT_EQ(ask(many + many), 413);
}

TEST_F(BatchesTest, WhoMayNotPushIsTold) {
  put("a", {"one"});
  serve({}, access::Anonymous::pull);
  EXPECT_EQ(put("a", {"two"}).status, 401);
  EXPECT_EQ(m_client->ask("POST", "/v2/a/_slipway/missing", {}, digest("one")).status, 401);
}

TEST_F(BatchesTest, AsManyAtOnceAsThereIsRoomFor) {
  serve({.batches_max = 0});
  const auto answer = put("a", {"one"});
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("Retry-After"), "5");
}

}  // namespace
}  // namespace slipway::oci
