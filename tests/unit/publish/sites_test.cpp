// What a site answers, whatever the server around it.

#include "publish/sites.hpp"

#include "http/date.hpp"
#include "oci/registry.hpp"
#include "publish/media_types.hpp"
#include "sql/sqlite.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"
#include "support/oci_client.hpp"
#include "support/temp_directory.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>

namespace slipway::publish {
namespace {

using test::OciAnswer;
using Files = std::map<std::string, std::string>;

class SitesTest : public testing::Test {
protected:
  SitesTest() { serve({}); }

  void serve(SiteOptions options, access::Anonymous anonymous = access::Anonymous::everything) {
    m_access =
        std::move(access::Access::open({.anonymous = anonymous, .admin_token_sha256 = std::string(64, '0')}).value());
    m_sites.emplace(*m_catalog, m_store, *m_access, m_clock, std::move(options));
    m_reader.emplace([this](http::Request& request) { return m_sites->handle(request); });
  }

  OciAnswer get(const std::string& target, const test::OciClient::Fields& fields = {},
                const std::string& method = "GET") {
    return m_reader->ask(method, target, fields);
  }

  void push_blob(const std::string& repository, std::string_view bytes) {
    const auto pushed = m_writer.ask(
        "POST", "/v2/" + repository + "/blobs/uploads/?digest=" + digest_of(as_bytes(bytes)).text(), {}, bytes);
    ASSERT_EQ(pushed.status, 201);
  }

  void push_manifest(const std::string& repository, const std::string& reference, std::string_view bytes) {
    ASSERT_EQ(m_writer.ask("PUT", "/v2/" + repository + "/manifests/" + reference, {}, bytes).status, 201);
  }

  /// Publishes files; "a.js.gz" is taken for a variant of "a.js". Returns the snapshot's digest.
  std::string publish(const Files& contents, const std::string& repository = "docs",
                      const std::string& channel = "live") {
    std::vector<File> files;
    for (const auto& [path, content] : contents) {
      push_blob(repository, content);
      files.push_back({.path = path,
                       .digest = digest_of(as_bytes(content)),
                       .size = content.size(),
                       .media_type = media_type_of(path),
                       .variants = {}});
      for (const auto& [coding, extension] : {std::pair(Coding::br, ".br"), std::pair(Coding::gzip, ".gz")})
        if (const auto packed = contents.find(path + extension); packed != contents.end())
          files.back().variants.push_back({coding, digest_of(as_bytes(packed->second)), packed->second.size()});
    }
    Snapshot snapshot{.shards = {}, .files = files.size(), .bytes = 0};
    for (const auto part : cut(files)) {
      const auto shard = write_shard(part);
      push_blob(repository, shard.listing);
      push_manifest(repository, shard.digest.text(), shard.manifest);
      snapshot.shards.push_back({shard.digest, shard.manifest.size(), shard.first});
    }
    const auto index = write_index(snapshot).value();
    push_manifest(repository, channel, index);
    return digest_of(as_bytes(index)).text();
  }

  test::TempDirectory m_directory;
  test::ManualClock m_clock;
  test::MemoryStore m_store;
  std::unique_ptr<sql::SqliteDatabase> m_database =
      std::move(sql::SqliteDatabase::open(m_directory / "catalog.sqlite").value());
  std::unique_ptr<catalog::Catalog> m_catalog = std::move(catalog::Catalog::open(*m_database, m_clock).value());
  std::unique_ptr<access::Access> m_everybody =
      std::move(access::Access::open({.anonymous = access::Anonymous::everything}).value());
  oci::Registry m_registry{*m_catalog, m_store, "store", *m_everybody, {}};
  test::OciClient m_writer{m_registry};
  std::unique_ptr<access::Access> m_access;
  std::optional<Sites> m_sites;
  std::optional<test::OciClient> m_reader;
};

/// "200 body" or "301 location".
std::string brief(const OciAnswer& answer) {
  const auto location = answer.header("Location");
  return fmt::format("{} {}", answer.status, location.empty() ? answer.body : location);
}

TEST_F(SitesTest, AnswersPathsWithFiles) {
  publish({{"index.html", "home"},
           {"about.html", "about"},
           {"guide/index.html", "guide"},
           {"guide/first.html", "first"},
           {"guide.html", "not the guide"},
           {"plain", "plain"},
           {"folder/file.txt", "text"},
           {"404.html", "nothing here"},
           {"guide/404.html", "no such guide"},
           {"caf\xC3\xA9 au lait.txt", "hot"},
           {"_redirects", "# none"},
           {"_headers", "# none"}});
  for (const auto& [path, answer] : std::initializer_list<std::pair<const char*, const char*>>{
           {"/docs", "301 /docs/"},
           {"/docs?a=b", "301 /docs/?a=b"},
           {"/docs/", "200 home"},
           {"//docs//", "200 home"},
           {"/docs/index.html", "200 home"},
           {"/docs/about", "200 about"},
           {"/docs/about.html", "200 about"},
           {"/docs/about/", "301 /docs/about"},
           {"/docs/guide/", "200 guide"},
           {"/docs/guide", "200 not the guide"},
           {"/docs//guide///first", "200 first"},
           {"/docs/plain", "200 plain"},
           {"/docs/plain/", "301 /docs/plain"},
           {"/docs/folder", "404 nothing here"},
           {"/docs/folder/", "404 nothing here"},
           {"/docs/caf%C3%A9%20au%20lait.txt", "200 hot"},
           {"/docs/missing", "404 nothing here"},
           {"/docs/guide/missing", "404 no such guide"},
           {"/docs/guide/deep/missing", "404 no such guide"},
           {"/docs/_redirects", "404 nothing here"},
           {"/docs/_headers", "404 nothing here"},
           {"/docs/About", "404 nothing here"},
           {"/other/", "404 nothing is served at this path\n"},
       })
    EXPECT_EQ(brief(get(path)), answer) << path;
}

TEST_F(SitesTest, SaysWhatItSends) {
  const auto snapshot = publish({{"index.html", "home"}, {"a.bin", "bytes"}});
  m_clock.advance(std::chrono::seconds(10));
  const auto page = get("/docs/");
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.header("X-Slipway-Snapshot"), snapshot);
  EXPECT_EQ(page.header("ETag"), "\"" + digest_of(as_bytes("home")).text() + "\"");
  EXPECT_EQ(page.header("Cache-Control"), "public, max-age=0, must-revalidate");
  EXPECT_EQ(page.header("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(page.header("Last-Modified"), http::http_date(m_clock.now() - std::chrono::seconds(10)));
  EXPECT_EQ(get("/docs/a.bin").header("Content-Type"), "application/octet-stream");
}

TEST_F(SitesTest, DatesNothingThatCameJustNow) {
  publish({{"index.html", "home"}});
  EXPECT_EQ(get("/docs/").header("Last-Modified"), "");
}

TEST_F(SitesTest, AnswersConditionsAndParts) {
  publish({{"a.txt", "0123456789"}});
  m_clock.advance(std::chrono::seconds(10));
  const auto whole = get("/docs/a.txt");
  const auto etag = whole.header("ETag");
  EXPECT_EQ(brief(get("/docs/a.txt", {{"If-None-Match", etag}})), "304 ");
  EXPECT_EQ(brief(get("/docs/a.txt", {{"If-Modified-Since", whole.header("Last-Modified")}})), "304 ");
  EXPECT_EQ(get("/docs/a.txt", {{"If-Match", "\"other\""}}).status, 412);
  const auto part = get("/docs/a.txt", {{"Range", "bytes=2-4"}, {"If-Range", etag}});
  EXPECT_EQ(brief(part), "206 234");
  EXPECT_EQ(part.header("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(brief(get("/docs/a.txt", {{"Range", "bytes=2-4"}, {"If-Range", "\"other\""}})), "200 0123456789");
  const auto beyond = get("/docs/a.txt", {{"Range", "bytes=10-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.header("Content-Range"), "bytes */10");
  EXPECT_EQ(get("/docs/a.txt", {}, "HEAD").header("ETag"), etag);
  EXPECT_EQ(get("/docs/a.txt", {}, "POST").status, 405);
}

TEST_F(SitesTest, SendsVariantsToThoseWhoTakeThem) {
  publish({{"a.js", "plain"}, {"a.js.gz", "zipped"}, {"a.js.br", "brotli"}, {"b.js", "single"}});
  const auto coded = get("/docs/a.js", {{"Accept-Encoding", "gzip, br"}});
  EXPECT_EQ(coded.body, "brotli");
  EXPECT_EQ(coded.header("Content-Encoding"), "br");
  EXPECT_EQ(coded.header("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(coded.header("Vary"), "Accept-Encoding");
  EXPECT_NE(coded.header("ETag"), get("/docs/a.js").header("ETag"));
  EXPECT_EQ(get("/docs/a.js", {{"Accept-Encoding", "gzip"}}).body, "zipped");
  const auto plain = get("/docs/a.js");
  EXPECT_EQ(plain.body, "plain");
  EXPECT_EQ(plain.header("Content-Encoding"), "");
  EXPECT_EQ(plain.header("Vary"), "Accept-Encoding");
  EXPECT_EQ(get("/docs/a.js", {{"Accept-Encoding", "br"}, {"Range", "bytes=0-0"}}).body, "p");
  EXPECT_EQ(get("/docs/b.js", {{"Accept-Encoding", "br"}}).header("Vary"), "");
  const auto itself = get("/docs/a.js.gz", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(itself.body, "zipped");
  EXPECT_EQ(itself.header("Content-Encoding"), "");
}

TEST_F(SitesTest, LetsOthersKeepWhatNeverChanges) {
  const auto snapshot = publish({{"app.3f2a91bc.js", "x"}, {"app.js", "x"}, {"404.html", "none"}});
  const std::string for_ever = "public, max-age=31536000, immutable", not_long = "public, max-age=0, must-revalidate";
  EXPECT_EQ(get("/docs/app.3f2a91bc.js").header("Cache-Control"), for_ever);
  EXPECT_EQ(get("/docs/app.js").header("Cache-Control"), not_long);
  EXPECT_EQ(get("/docs/@" + snapshot + "/app.js").header("Cache-Control"), for_ever);
  EXPECT_EQ(get("/docs/missing").header("Cache-Control"), not_long);
}

TEST_F(SitesTest, ServesEachSnapshotByItsDigest) {
  const auto first = publish({{"index.html", "first"}});
  const auto second = publish({{"index.html", "second"}, {"new", "new"}});
  EXPECT_EQ(brief(get("/docs/")), "200 second");
  EXPECT_EQ(brief(get("/docs/@" + first + "/")), "200 first");
  EXPECT_EQ(brief(get("/docs/@" + first)), "301 /docs/%40sha256%3A" + first.substr(7) + "/");
  EXPECT_EQ(brief(get("/docs/@" + second + "/new")), "200 new");
  EXPECT_EQ(get("/docs/@" + first + "/new").status, 404);
  EXPECT_EQ(get("/docs/@" + first + "/").header("X-Slipway-Snapshot"), first);
  EXPECT_EQ(get("/docs/@sha256:" + std::string(64, '0') + "/").status, 404);
  EXPECT_EQ(get("/docs/@sha256:xyz/").status, 404);
}

TEST_F(SitesTest, FollowsItsRedirects) {
  publish({{"index.html", "home"},
           {"there.html", "there"},
           {"gone.html", "gone"},
           {"closed.html", "closed"},
           {"_redirects", "/old /new?a=b 302\n/moved/* /there/:splat\n/there /elsewhere\n/app/* /index.html 200\n"
                          "/gone.html /closed.html 410!\n/never /closed.html 404\n/out https://example.org/x\n"}});
  for (const auto& [path, answer] : std::initializer_list<std::pair<const char*, const char*>>{
           {"/docs/old?c=d", "302 /docs/new?a=b"},
           {"/docs/moved/a%20b?c=d", "301 /docs/there/a%20b?c=d"},
           {"/docs/there", "200 there"},
           {"/docs/app/deep/link", "200 home"},
           {"/docs/gone.html", "410 closed"},
           {"/docs/never", "404 closed"},
           {"/docs/out", "301 https://example.org/x"},
       })
    EXPECT_EQ(brief(get(path)), answer) << path;
}

TEST_F(SitesTest, AddsItsHeaders) {
  publish({{"index.html", "home"},
           {"_headers", "/*\n  X-Frame-Options: DENY\n  Cache-Control: max-age=60\n/x\n  X: :splat\n"}});
  const auto page = get("/docs/");
  EXPECT_EQ(page.header("X-Frame-Options"), "DENY");
  EXPECT_EQ(page.header("Cache-Control"), "max-age=60");
  EXPECT_EQ(get("/docs/missing").header("X-Frame-Options"), "DENY");
}

TEST_F(SitesTest, IsFoundByTheLongestName) {
  publish({{"index.html", "one"}, {"b/index.html", "part of one"}}, "a");
  EXPECT_EQ(brief(get("/a/b/")), "200 part of one");
  publish({{"index.html", "two"}}, "a/b");
  publish({{"index.html", "none"}}, "unnamed", "staging");
  EXPECT_EQ(brief(get("/a/")), "200 one");
  EXPECT_EQ(brief(get("/unnamed/")), "404 nothing is served at this path\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // within which it may still be part of the first
  EXPECT_EQ(brief(get("/a/b/")), "200 two");
}

TEST_F(SitesTest, IsServedWhereTheConfigurationSays) {
  publish({{"index.html", "home"}, {"cache/x", "not this one"}}, "site");
  publish({{"x", "cached"}}, "archive", "stable");
  publish({{"index.html", "named"}}, "named");
  serve({.mounts = {{.host = "", .path = "/", .repository = "site", .channel = "live"},
                    {.host = "", .path = "/cache", .repository = "archive", .channel = "stable"},
                    {.host = "docs.example.org", .path = "/", .repository = "named", .channel = "live"}}});
  EXPECT_EQ(brief(get("/")), "200 home");
  EXPECT_EQ(brief(get("/cache/x")), "200 cached");
  EXPECT_EQ(brief(get("/cache")), "301 /cache/");
  EXPECT_EQ(brief(get("/named/")), "200 named");
  EXPECT_EQ(brief(get("/", {{"Host", "Docs.Example.org:8080"}})), "200 named");
  EXPECT_EQ(get("/site/", {{"Host", "docs.example.org"}}).status, 404) << "a host of its own shows nothing of others";
}

TEST_F(SitesTest, ShowsFoldersWhereThatIsWanted) {
  Files files = {{"pool/a&b.txt", "1"}, {"pool/sub/x", "2"}, {"pool/sub/y", "3"}, {"_headers", "# none"}};
  for (int i = 0; i < 1200; ++i) files[fmt::format("many/{:04}", i)] = "x";
  publish(files, "packages");
  EXPECT_EQ(get("/packages/pool/").status, 404);
  serve({.mounts = {{.host = "", .path = "/p", .repository = "packages", .channel = "live", .listing = true}}});
  EXPECT_EQ(brief(get("/p/pool")), "301 /p/pool/");
  const auto page = get("/p/pool/");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(
      page.body.find("<li><a href=\"../\">../</a>\n<li><a href=\"./a%26b.txt\">a&amp;b.txt</a> <small>1 B</small>\n"
                     "<li><a href=\"./sub/\">sub/</a>\n"),
      std::string::npos)
      << page.body;
  const auto root = get("/p/");
  EXPECT_EQ(root.body.find("../"), std::string::npos);
  EXPECT_EQ(root.body.find("_headers"), std::string::npos);
  const auto many = get("/p/many/");
  EXPECT_NE(many.body.find("href=\"?after=0999\""), std::string::npos);
  const auto rest = get("/p/many/?after=0999");
  EXPECT_NE(rest.body.find("./1000"), std::string::npos);
  EXPECT_NE(rest.body.find("./1199"), std::string::npos);
  EXPECT_EQ(rest.body.find("?after="), std::string::npos);
}

TEST_F(SitesTest, IsReadByThoseWhoMay) {
  publish({{"index.html", "home"}});
  serve({}, access::Anonymous::nothing);
  const auto refused = get("/docs/");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.header("WWW-Authenticate"), "Basic realm=\"slipway\", charset=\"UTF-8\"");
}

TEST_F(SitesTest, SaysOfWhatIsNoTreeThatItIsNone) {
  push_blob("image", "{}");
  const auto digest = digest_of(as_bytes("{}")).text();
  push_manifest(
      "image", "live",
      fmt::format(R"({{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{}","size":2}},"layers":[]}})",
                  digest));
  const auto answer = get("/image/");
  EXPECT_EQ(answer.status, 404);
  EXPECT_NE(answer.body.find("is no site"), std::string::npos);
}

}  // namespace
}  // namespace slipway::publish
