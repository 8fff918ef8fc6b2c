// Folders that are published to a registry in this process, and read again.

#include "publish/publisher.hpp"

#include "oci/registry.hpp"
#include "publish/remote_tree.hpp"
#include "publish/sites.hpp"
#include "support/storage.hpp"

#include <fmt/format.h>

namespace slipway::publish {
namespace {

namespace fs = std::filesystem;

class PublisherTest : public testing::Test, protected test::Storage {
protected:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((m_root / path).parent_path());
    m_directory.write("root/" + path, text);
  }
  void write_many(int count) {
    for (int i = 0; i < count; ++i) write(fmt::format("d{}/f{}.html", i % 13, i), fmt::format("page {}", i));
  }

  Result<PublishReport> publish(PublishOptions options = {}) {
    if (options.channel.empty()) options.channel = "live";
    options.on_warning = [this](const std::string& text) { m_warnings.push_back(text); };
    m_client.emplace([this](const http::ClientRequest& request) { return answer(request); },
                     RegistryAddress{.url = "here", .repository = "site", .authorization = {}, .ca_file = {}});
    return publish_folder(m_root, *m_client, options);
  }
  std::string problem(const PublishOptions& options = {}) {
    const auto published = publish(options);
    return published ? "" : published.error().message;
  }
  std::uint64_t objects() const { return m_client->cost().objects; }
  std::uint64_t requests() const { return m_client->cost().requests; }

  /// Paths and contents of what a reference points at.
  std::map<std::string, std::string> contents(const std::string& reference) {
    const auto tree = RemoteTree::open(*m_client, reference).value();
    std::map<std::string, std::string> out;
    EXPECT_TRUE(tree.for_each("", [&](const File& file) -> Result<> {
      out[file.path] = m_client->blob(file.digest, 1U << 24).value();
      return {};
    }));
    return out;
  }

  Result<http::ClientResponse> answer(const http::ClientRequest& request) {
    if (m_before) m_before(request);
    if (m_failures > 0 && m_failures-- > 0) return fail(m_failure, "the network is down");
    return http::ask([this](http::Request& incoming) { return m_registry.handle(incoming); }, request);
  }

  const fs::path m_root = m_directory / "root";
  std::vector<std::string> m_warnings;
  std::function<void(const http::ClientRequest&)> m_before;
  std::atomic<int> m_failures{0};
  Failure m_failure = Failure::io;
  std::unique_ptr<access::Access> m_access =
      std::move(access::Access::open({.anonymous = access::Anonymous::everything}).value());
  Sites m_sites{*m_catalog, m_store, *m_access, m_clock, {}};
  oci::Registry m_registry{
      *m_catalog,
      m_store,
      m_bytes.identity().value(),
      *m_access,
      {.check_manifest = [this](const std::string& repository, const catalog::NewManifest& manifest) {
        return m_sites.check_pushed(repository, manifest);
      }}};
  std::optional<RegistryClient> m_client;
};

TEST_F(PublisherTest, AFolderIsThereAsItWas) {
  write_many(700);
  write("large.bin", std::string(200'000, 'x'));
  write("empty", "");
  const auto report = publish().value();
  EXPECT_TRUE(report.moved);
  EXPECT_EQ(report.files, 702U);
  EXPECT_EQ(report.from, std::nullopt);
  const auto there = contents("live");
  EXPECT_EQ(there.size(), 702U);
  EXPECT_EQ(there.at("d3/f3.html"), "page 3");
  EXPECT_EQ(there.at("large.bin").size(), 200'000U);
  EXPECT_EQ(there.at("empty"), "");
  EXPECT_EQ(contents(report.digest.text()), there);
}

TEST_F(PublisherTest, WhatIsThereCostsOneQuestion) {
  write_many(700);
  const auto first = publish().value();
  const auto again = publish().value();
  EXPECT_FALSE(again.moved);
  EXPECT_EQ(again.digest, first.digest);
  EXPECT_EQ(requests(), 1U);
  EXPECT_EQ(objects(), 0U);
  EXPECT_EQ(publish({.channel = "staging"})->digest, first.digest);
  EXPECT_EQ(objects(), 1U);  // the index
}

TEST_F(PublisherTest, AChangedFileIsFourObjects) {
  write_many(2000);
  const auto first = publish().value();
  write("d5/f5.html", "changed");
  const auto second = publish().value();
  EXPECT_EQ(objects(), 4U);
  EXPECT_EQ(second.from, first.digest);
  EXPECT_EQ(contents("live").at("d5/f5.html"), "changed");
  EXPECT_EQ(contents(first.digest.text()).at("d5/f5.html"), "page 5");
  fs::remove(m_root / "d5/f5.html");
  ASSERT_TRUE(publish());
  EXPECT_LE(objects(), 5U);  // a file less may make two shards one
  EXPECT_FALSE(contents("live").contains("d5/f5.html"));
}

TEST_F(PublisherTest, TheSameFilesAreTheSameSnapshot) {
  write_many(300);
  const auto first = publish().value().digest;
  write("more", "x");
  EXPECT_NE(publish().value().digest, first);
  fs::remove(m_root / "more");
  EXPECT_EQ(publish().value().digest, first);
  EXPECT_EQ(objects(), 1U);
}

TEST_F(PublisherTest, OfTwoAtOnceOneIsTold) {
  write("index.html", "first");
  ASSERT_TRUE(publish());
  write("index.html", "second");
  bool is_first = true;
  m_before = [&](const http::ClientRequest& request) {
    if (request.method != "PUT" || !request.target.ends_with("/manifests/live") || !std::exchange(is_first, false))
      return;
    ASSERT_TRUE(m_catalog->remove_tag("site", "live", "somebody"));
  };
  const auto refused = publish();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::conflict);
  EXPECT_NE(refused.error().message.find("somebody else moved site@live"), std::string::npos)
      << refused.error().message;
}

TEST_F(PublisherTest, ALostAnswerIsNoConflict) {
  write("index.html", "first");
  bool is_first = true;
  m_before = [&](const http::ClientRequest& request) {
    if (request.method != "PUT" || !request.target.ends_with("/manifests/live") || !std::exchange(is_first, false))
      return;
    auto unheard = request;
    ASSERT_EQ(http::ask([this](http::Request& incoming) { return m_registry.handle(incoming); }, unheard)->status, 201);
    m_failures = 1;
  };
  EXPECT_TRUE(publish());
}

TEST_F(PublisherTest, ATornNetworkIsTriedAgain) {
  write_many(50);
  m_failures = 1;
  m_failure = Failure::unavailable;
  EXPECT_EQ(publish().error().failure, Failure::unavailable);  // nobody was ever there
  EXPECT_EQ(requests(), 1U);
  m_failures = 1;
  m_failure = Failure::io;
  EXPECT_TRUE(publish());  // somebody was, and broke off
  write("more", "of it");
  m_before = [&, requests = 0](const http::ClientRequest&) mutable {
    if (++requests == 3) m_failures = 2;
  };
  EXPECT_TRUE(publish());
  m_before = {};
  EXPECT_EQ(contents("live").size(), 51U);
}

TEST_F(PublisherTest, WhatFailsLeavesTheChannelAndGoesOnLater) {
  write_many(1000);
  write("index.html", "first");
  ASSERT_TRUE(publish());
  const auto before = contents("live");
  write_many(1500);
  for (int i = 0; i < 1500; ++i) write(fmt::format("e/{}", i), fmt::format("new {}", i));
  m_before = [&, batches = 0](const http::ClientRequest& request) mutable {
    if (request.target.ends_with("/_slipway/blobs") && ++batches == 2)
      m_store.plan.arm(1, test::Fault::before, Failure::no_space);
  };
  const auto refused = publish({.jobs = 1});
  m_before = {};
  m_store.plan.disarm();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, Failure::no_space) << refused.error().message;
  EXPECT_EQ(contents("live"), before);
  ASSERT_TRUE(publish());
  EXPECT_EQ(contents("live").size(), 3001U);
}

TEST_F(PublisherTest, AFileThatChangesMeanwhileIsTold) {
  write("a", "first");
  write("large", std::string(100'000, 'x'));
  for (const auto* path : {"a", "large"}) {
    write("large", std::string(100'000, path[0]));
    m_before = [&](const http::ClientRequest& request) {
      if (request.target.ends_with("/_slipway/missing")) write(path, std::string(fs::file_size(m_root / path), 'y'));
    };
    const auto refused = publish();
    ASSERT_FALSE(refused) << path;
    EXPECT_EQ(refused.error().failure, Failure::conflict);
    EXPECT_NE(refused.error().message.find(fmt::format("'{}' changed while", path)), std::string::npos)
        << refused.error().message;
    m_before = {};
    write(path, std::string(fs::file_size(m_root / path), 'z'));
  }
  EXPECT_TRUE(publish());
}

TEST_F(PublisherTest, RulesThatCannotBeAreToldBeforeAnythingIsSent) {
  write_many(50);
  write("_redirects", "# fine\n/a /b 999\n");
  EXPECT_NE(problem().find("_redirects: line 2"), std::string::npos) << problem();
  EXPECT_EQ(requests(), 0U);
  write("_redirects", "/a /b\n/b /a\n");
  EXPECT_NE(problem().find("_redirects: line 1"), std::string::npos) << problem();
  fs::remove(m_root / "_redirects");
  write("_headers", "X-A: b\n");
  EXPECT_NE(problem().find("_headers: line 1"), std::string::npos) << problem();
  EXPECT_FALSE(m_catalog->find_tag("site", "live"));
}

TEST_F(PublisherTest, AnEmptyFolderIsRefused) {
  fs::create_directories(m_root / "empty");
  EXPECT_NE(problem().find("no file"), std::string::npos);
  EXPECT_NE(problem({.exclude = {"*"}}).find("no file"), std::string::npos);
}

TEST_F(PublisherTest, AnImageIsNotPublishedOver) {
  write("index.html", "first");
  const std::string index =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
  http::ClientRequest request{.method = "PUT", .url = "", .target = "/v2/site/manifests/live"};
  request.body = as_bytes(index);
  ASSERT_EQ(answer(request)->status, 201);
  EXPECT_NE(problem().find("site@live is no tree"), std::string::npos) << problem();
}

TEST_F(PublisherTest, VariantsAreWhatTheySay) {
  write("a.js", "text");
  write("a.js.gz", "no gzip");
  ASSERT_TRUE(publish());
  ASSERT_EQ(m_warnings.size(), 1U);
  EXPECT_NE(m_warnings[0].find("'a.js.gz' is not what 'a.js' is"), std::string::npos);
  EXPECT_EQ(contents("live").at("a.js.gz"), "no gzip");
}

TEST_F(PublisherTest, ACacheSparesReading) {
  write_many(10);
  FileCache cache;
  const auto first = publish({.cache = &cache}).value();
  EXPECT_EQ(publish({.cache = &cache})->digest, first.digest);
  write("d1/f1.html", "PAGE 1");  // as long as before
  const auto second = publish({.cache = &cache}).value();
  EXPECT_NE(second.digest, first.digest);
  EXPECT_EQ(contents("live").at("d1/f1.html"), "PAGE 1");
}

TEST_F(PublisherTest, LostFilesComeAgainWhereAllIsAskedFor) {
  write_many(10);
  ASSERT_TRUE(publish());
  std::vector<blob::Location> all;
  ASSERT_TRUE(m_bytes.list([&](const blob::Location& one) { all.push_back(one); }));
  for (const auto& one : all) ASSERT_TRUE(m_bytes.remove(one));
  ASSERT_TRUE(publish());
  EXPECT_EQ(objects(), 0U);
  ASSERT_TRUE(publish({.check_all = true}));
  EXPECT_EQ(contents("live").at("d1/f1.html"), "page 1");
}

TEST_F(PublisherTest, SnapshotsAreComparedByWhatIsDifferent) {
  write_many(2000);
  write("gone", "x");
  const auto first = publish().value().digest;
  fs::remove(m_root / "gone");
  write("d5/f5.html", "changed");
  write("new", "x");
  const auto second = publish().value().digest;
  std::string found;
  const auto before = RemoteTree::open(*m_client, first.text()).value();
  const auto after = RemoteTree::open(*m_client, second.text()).value();
  const auto asked = requests();
  ASSERT_TRUE(compare(before, after, [&](Difference difference, const File& file) -> Result<> {
    found += fmt::format("{}{} ", "+-~"[static_cast<int>(difference)], file.path);
    return {};
  }));
  EXPECT_EQ(found, "~d5/f5.html -gone +new ");
  EXPECT_LE(requests() - asked, 12U);
  ASSERT_TRUE(compare(after, after, [&](Difference, const File&) -> Result<> { return fail(Failure::io, "same"); }));
}

TEST_F(PublisherTest, FilesBelowAPathAreReadAlone) {
  write_many(3000);
  ASSERT_TRUE(publish());
  const auto tree = RemoteTree::open(*m_client, "live").value();
  const auto asked = requests();
  std::size_t found = 0;
  ASSERT_TRUE(tree.for_each("d7/", [&](const File& file) -> Result<> {
    EXPECT_TRUE(file.path.starts_with("d7/"));
    ++found;
    return {};
  }));
  EXPECT_EQ(found, 231U);
  EXPECT_LT(requests() - asked, 2 * tree.snapshot().shards.size());
  EXPECT_EQ(RemoteTree::open(*m_client, "absent").error().failure, Failure::not_found);
}

}  // namespace
}  // namespace slipway::publish
