// Rules of the registry that are easier to show without a server; what clients see is in tests/protocol.

#include "oci/registry.hpp"

#include "base/log.hpp"
#include "sql/sqlite.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"
#include "support/oci_client.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

using test::OciAnswer;

class RegistryTest : public testing::Test {
protected:
  RegistryTest() { serve({}); }

  void serve(RegistryOptions options, access::Anonymous anonymous = access::Anonymous::everything) {
    m_access =
        std::move(access::Access::open({.anonymous = anonymous, .admin_token_sha256 = std::string(64, '0')}).value());
    m_registry.emplace(*m_catalog, m_store, "store", *m_access, options);
    m_client.emplace(*m_registry);
  }

  OciAnswer ask(const std::string& method, const std::string& target, const test::OciClient::Fields& fields = {},
                std::string_view body = {}) {
    return m_client->ask(method, target, fields, body);
  }

  static std::string digest(std::string_view bytes) { return digest_of(as_bytes(bytes)).text(); }

  OciAnswer post(const std::string& repository, std::string_view bytes) {
    return ask("POST", "/v2/" + repository + "/blobs/uploads/?digest=" + digest(bytes), {}, bytes);
  }

  std::string begin(const std::string& repository = "a") {
    return ask("POST", "/v2/" + repository + "/blobs/uploads/").header("Location");
  }

  test::TempDirectory m_directory;
  test::ManualClock m_clock;
  test::MemoryStore m_store;
  std::unique_ptr<sql::SqliteDatabase> m_database =
      std::move(sql::SqliteDatabase::open(m_directory / "catalog.sqlite").value());
  std::unique_ptr<catalog::Catalog> m_catalog = std::move(catalog::Catalog::open(*m_database, m_clock).value());
  std::unique_ptr<access::Access> m_access;
  std::optional<Registry> m_registry;
  std::optional<test::OciClient> m_client;
};

TEST_F(RegistryTest, SameContentIsKeptOnce) {
  for (const auto* repository : {"a", "b", "a"}) EXPECT_EQ(post(repository, "content").status, 201);
  EXPECT_EQ(m_store.locations(), 1U);
  EXPECT_EQ(ask("GET", "/v2/b/blobs/" + digest("content")).body, "content");
}

TEST_F(RegistryTest, WrongContentIsRefusedAndNothingKept) {
  const auto answer = ask("POST", "/v2/a/blobs/uploads/?digest=" + digest("other"), {}, "content");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code(), "DIGEST_INVALID");
  const auto session = begin();
  EXPECT_EQ(ask("PUT", session + "?digest=" + digest("other"), {}, "content").code(), "DIGEST_INVALID");
  EXPECT_EQ(m_store.locations(), 0U);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest("content")).status, 404);
}

TEST_F(RegistryTest, ASha512DigestIsAnEqualOne) {
  const auto sha512 = digest_of(as_bytes("content"), Algorithm::sha512).text();
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + sha512, {}, "content").status, 201);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + sha512).body, "content");
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest("content")).body, "content");
  // Asked for without warning, after chunks that were hashed by SHA-256 alone.
  const auto session = begin();
  ASSERT_EQ(ask("PATCH", session, {}, "other ").status, 202);
  const auto other = digest_of(as_bytes("other content"), Algorithm::sha512).text();
  EXPECT_EQ(ask("PUT", session + "?digest=" + other, {}, "content").status, 201);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + other).body, "other content");
}

TEST_F(RegistryTest, TheNewestRequestTakesASessionOver) {
  const auto session = begin();
  http::Request hanging;
  hanging.method = http::Method::patch;
  hanging.target = http::parse_target(session).value();
  hanging.has_body = true;
  auto answer = m_registry->handle(hanging);
  auto& sink = std::get<std::unique_ptr<http::BodySink>>(answer);
  ASSERT_FALSE(sink->write(as_bytes("hello ")));  // and then the connection hangs

  EXPECT_EQ(ask("GET", session).header("Range"), "0-0");
  EXPECT_EQ(ask("PATCH", session, {{"Content-Range", "6-10"}}, "world").header("Range"), "0-10");

  const auto late = sink->write(as_bytes("too late"));
  ASSERT_TRUE(late);
  EXPECT_EQ(late->status, 409);
  sink.reset();
  EXPECT_EQ(ask("PUT", session + "?digest=" + digest("hello world")).status, 201);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest("hello world")).body, "hello world");
}

TEST_F(RegistryTest, ACancelledSessionStopsItsWriter) {
  const auto session = begin();
  http::Request writing;
  writing.method = http::Method::patch;
  writing.target = http::parse_target(session).value();
  writing.has_body = true;
  auto answer = m_registry->handle(writing);
  auto& sink = std::get<std::unique_ptr<http::BodySink>>(answer);
  ASSERT_FALSE(sink->write(as_bytes("hello")));
  EXPECT_EQ(ask("DELETE", session).status, 204);
  EXPECT_TRUE(sink->write(as_bytes("more")));
  sink.reset();
  EXPECT_EQ(ask("GET", session).code(), "BLOB_UPLOAD_UNKNOWN");
  EXPECT_EQ(m_store.suspended_uploads(), 0U);
}

TEST_F(RegistryTest, AChunkMustStartWhereTheLastOneEnded) {
  const auto session = begin();
  ASSERT_EQ(ask("PATCH", session, {{"Content-Range", "0-4"}}, "hello").status, 202);
  for (const auto* range : {"0-4", "4-8", "6-10"}) {
    const auto refused = ask("PATCH", session, {{"Content-Range", range}}, "world");
    EXPECT_EQ(refused.status, 416) << range;
    EXPECT_EQ(refused.header("Range"), "0-4") << range;
  }
  for (const auto* range : {"x", "5", "5-", "-9", "9-5", "5-9x", "99999999999999999999-9"})
    EXPECT_EQ(ask("PATCH", session, {{"Content-Range", range}}, "world").status, 416) << range;
  EXPECT_EQ(ask("PATCH", session, {{"Content-Range", "5-5"}}, "world").code(), "SIZE_INVALID");
  EXPECT_EQ(ask("PATCH", session, {{"Content-Range", "bytes 5-9/*"}}, "world").status, 202);
  EXPECT_EQ(ask("PUT", session + "?digest=" + digest("helloworld")).status, 201);
}

TEST_F(RegistryTest, AMountNeedsTheSourceAndElseBeginsAnUpload) {
  ASSERT_EQ(post("a", "content").status, 201);
  const auto mount = [&](const std::string& query) { return ask("POST", "/v2/b/blobs/uploads/?" + query); };
  EXPECT_EQ(mount("mount=" + digest("absent") + "&from=a").status, 202);
  EXPECT_EQ(mount("mount=" + digest("content") + "&from=other").status, 202);
  EXPECT_EQ(mount("mount=" + digest("content") + "&from=../a").status, 202);
  EXPECT_EQ(mount("mount=junk&from=a").code(), "DIGEST_INVALID");
  EXPECT_EQ(ask("GET", "/v2/b/blobs/" + digest("content")).status, 404);
  EXPECT_EQ(mount("mount=" + digest("content") + "&from=a").status, 201);
  EXPECT_EQ(ask("GET", "/v2/b/blobs/" + digest("content")).body, "content");
  EXPECT_EQ(ask("POST", "/v2/c/blobs/uploads/?mount=" + digest("content")).status, 201);  // from whoever has it
}

TEST_F(RegistryTest, BlobsHaveASizeLimitWhereOneIsSet) {
  serve({.blob_bytes_max = 10});
  EXPECT_EQ(post("a", "0123456789").status, 201);
  EXPECT_EQ(post("a", "0123456789x").status, 413);
  const auto session = begin();
  EXPECT_EQ(ask("PATCH", session, {}, "012345").status, 202);
  EXPECT_EQ(ask("PATCH", session, {}, "6789x").status, 413);
  EXPECT_EQ(ask("GET", session).header("Range"), "0-5");
}

TEST_F(RegistryTest, SessionsAreBounded) {
  serve({.uploads_max = 2});
  begin();
  begin();
  const auto third = ask("POST", "/v2/a/blobs/uploads/");
  EXPECT_EQ(third.status, 429);
  EXPECT_EQ(third.code(), "TOOMANYREQUESTS");
}

TEST_F(RegistryTest, ReadOnlyModeAnswersPullsOnly) {
  ASSERT_EQ(post("a", "content").status, 201);
  m_catalog->set_read_only(true);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest("content")).status, 200);
  for (const auto& [method, target] :
       std::initializer_list<std::pair<const char*, std::string>>{{"POST", "/v2/a/blobs/uploads/"},
                                                                  {"PUT", "/v2/a/manifests/latest"},
                                                                  {"DELETE", "/v2/a/blobs/" + digest("content")},
                                                                  {"DELETE", "/v2/a/manifests/latest"}}) {
    const auto answer = ask(method, target);
    EXPECT_EQ(answer.status, 405) << method << " " << target;
    EXPECT_EQ(answer.code(), "UNSUPPORTED");
  }
}

TEST_F(RegistryTest, AnonymousMayDoWhatIsStated) {
  ASSERT_EQ(post("a", "content").status, 201);
  serve({}, access::Anonymous::pull);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest("content")).status, 200);
  const auto refused = ask("POST", "/v2/a/blobs/uploads/");
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.header("WWW-Authenticate").starts_with("Basic "));
  serve({}, access::Anonymous::nothing);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest("content")).status, 401);
  EXPECT_EQ(ask("GET", "/v2/").status, 401);
  EXPECT_EQ(ask("GET", "/v2/", {{"Authorization", "Basic junk"}}).status, 401);
}

TEST_F(RegistryTest, EveryRefusalCarriesACodeOfTheSpecification) {
  for (const auto& [method, target] :
       std::initializer_list<std::pair<const char*, std::string>>{{"GET", "/v2/UPPER/tags/list"},
                                                                  {"GET", "/v2/a/tags/list"},
                                                                  {"GET", "/v2/a/tags/list?n=x"},
                                                                  {"GET", "/v2/a/manifests/latest"},
                                                                  {"GET", "/v2/a/manifests/sha256:x"},
                                                                  {"GET", "/v2/a/blobs/x"},
                                                                  {"GET", "/v2/a/nothing"},
                                                                  {"PUT", "/v2/a/manifests/-bad"},
                                                                  {"PUT", "/v2/a/manifests/latest"},
                                                                  {"PATCH", "/v2/a/blobs/uploads/0123"},
                                                                  {"PUT", "/v2/a/blobs/uploads/0123"},
                                                                  {"DELETE", "/v2/a/manifests/latest"},
                                                                  {"DELETE", "/v2/a/blobs/" + digest("x")}}) {
    const auto answer = ask(method, target);
    EXPECT_GE(answer.status, 400) << method << " " << target;
    EXPECT_FALSE(answer.code().empty()) << method << " " << target << ": " << answer.body;
  }
}

TEST_F(RegistryTest, TagsArePagedByLinks) {
  const auto index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
  for (const auto* tag : {"a", "b", "c", "d", "e"})
    ASSERT_EQ(ask("PUT", std::string("/v2/r/manifests/") + tag, {}, index).status, 201);
  std::vector<std::string> seen;
  std::string next = "/v2/r/tags/list?n=2";
  while (!next.empty()) {
    const auto page = ask("GET", next);
    ASSERT_EQ(page.status, 200);
    const auto answer = parse_json(page.body).value();
    for (const auto& tag : answer["tags"]) seen.push_back(tag);
    const auto link = page.header("Link");
    next = link.empty() ? "" : link.substr(1, link.find('>') - 1);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(ask("GET", "/v2/r/tags/list?n=5").header("Link"), "");
}

TEST_F(RegistryTest, SparseManifestsAreTakenWhereThatIsStated) {
  const auto child =
      R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":")" + digest("x") + R"("})";
  const auto index =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)" + child + "]}";
  const auto image =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[],"config":)" + child +
      "}";
  const auto refused = ask("PUT", "/v2/a/manifests/latest", {}, index);
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(refused.code(), "MANIFEST_BLOB_UNKNOWN");
  serve({.sparse = Sparse::indexes});
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/latest", {}, index).status, 201);
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/latest", {}, image).code(), "MANIFEST_BLOB_UNKNOWN");
  serve({.sparse = Sparse::all});
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/latest", {}, index).status, 201);
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/latest", {}, image).status, 201);
}

}  // namespace
}  // namespace slipway::oci
