#include "opam/sync.hpp"

#include "opam/syntax.hpp"
#include "opam_fixture.hpp"

#include <gmock/gmock.h>

namespace slipway::opam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class OpamSyncTest : public OpamFixture {
protected:
  static std::vector<std::string> said(const SyncReport& report) {
    std::vector<std::string> out;
    for (const auto& [path, problem] : report.findings) out.push_back(path + ": " + problem);
    return out;
  }
};

TEST_F(OpamSyncTest, PublishesACommit) {
  const auto commit = m_git.commit();
  const auto report = sync();
  EXPECT_EQ(report.commit, commit);
  EXPECT_TRUE(report.moved);
  EXPECT_THAT(report.findings, testing::IsEmpty());
  const auto published = contents();
  const auto repo = "browse: \"b\"\narchive-mirrors: \"cache\"\nstamp: \"" + commit + "\"\n";
  EXPECT_THAT(paths(), ElementsAre(path("a", "1"), "repo", "urls.txt"));
  EXPECT_EQ(published.at("repo"), repo);
  EXPECT_EQ(published.at(path("a", "1")), "synopsis: \"s\"\n");
  EXPECT_EQ(published.at("urls.txt").substr(0, 5), "repo\t");
  EXPECT_EQ(published.at("urls.txt").size(), 42U);
  const auto index = m_client.manifest("live").value().value();
  const auto annotations = publish::parse_index(index.bytes).value().annotations;
  EXPECT_EQ(annotations.at(commit_annotation), commit);
  EXPECT_EQ(annotations.at(source_annotation), "https://git");
  EXPECT_TRUE(parse_rfc3339(annotations.at(time_annotation)));
  EXPECT_FALSE(sync().moved);
}

TEST_F(OpamSyncTest, AppliesWhatChanged) {
  add("b", "1");
  m_git.commit();
  sync();
  add("a", "1", "other");
  m_git.remove("packages/b");
  add("c", "1");
  m_git.write("packages/c/c.1/files/x.patch", "p");
  m_git.commit();
  const auto cost = m_client.cost();
  const auto report = sync();
  EXPECT_EQ(report.changes, 6U);  // with repo and urls.txt
  EXPECT_LE(m_client.cost().objects - cost.objects, 12U);
  EXPECT_THAT(paths(), ElementsAre(path("a", "1"), "packages/c/c.1/files/x.patch", path("c", "1"), "repo", "urls.txt"));
  EXPECT_EQ(contents().at(path("a", "1")), "synopsis: \"other\"\n");
}

TEST_F(OpamSyncTest, ComparesEverythingWhereItsCloneIsGone) {
  add("b", "1");
  m_git.commit();
  sync();
  m_git.remove("packages/b");
  add("a", "2");
  m_git.commit();
  auto other = open_clone("other");
  const auto report = sync(other).value();
  EXPECT_THAT(paths(), ElementsAre(path("a", "1"), path("a", "2"), "repo", "urls.txt"));
  EXPECT_EQ(report.changes, 5U);
  // To the byte what the first would have made of it.
  const auto digest = report.snapshot;
  ASSERT_TRUE(m_catalog->remove_tag("opam", "live", "test"));
  EXPECT_EQ(sync().snapshot, digest);
}

TEST_F(OpamSyncTest, FollowsABranchThatWasRewound) {
  const auto first = m_git.commit();
  add("b", "1");
  m_git.commit();
  sync();
  m_git.git({"reset", "--quiet", "--hard", first});
  EXPECT_EQ(sync().commit, first);
  EXPECT_THAT(paths(), ElementsAre(path("a", "1"), "repo", "urls.txt"));
}

TEST_F(OpamSyncTest, KeepsWhatABrokenCommitReplaces) {
  add("b", "1");
  m_git.commit();
  sync();
  m_git.write(path("a", "1"), "synopsis: [");
  m_git.write(path("n", "1"), "synopsis: [");
  m_git.write(path("big", "1"), std::string(file_bytes_max + 1, '#'));
  m_git.write("packages/back\\slash", "x");
  m_git.remove(path("b", "1"));
  m_git.link("/etc/passwd", path("b", "1"));
  m_git.write("repo", "browse: [");
  const auto commit = m_git.commit();
  const auto report = sync();
  EXPECT_TRUE(report.moved);
  EXPECT_THAT(
      said(report),
      ElementsAre(
          HasSubstr("packages/a/a.1/opam:1:12: the end where a value should be; what was published of it stays"),
          HasSubstr("packages/b/b.1/opam: it is a symbolic link"), HasSubstr("backslash"),
          HasSubstr("packages/big/big.1/opam: it has 4.0 MiB"), HasSubstr("packages/n/n.1/opam:1:12"),
          HasSubstr("repo:1:10")));
  EXPECT_THAT(paths(), ElementsAre(path("a", "1"), "repo", "urls.txt"));
  EXPECT_EQ(contents().at(path("a", "1")), "synopsis: \"s\"\n");
  EXPECT_EQ(contents().at("repo"), "browse: \"b\"\narchive-mirrors: [\"cache\"]\nstamp: \"" + commit + "\"\n");
}

TEST_F(OpamSyncTest, NeverUnpublishesAll) {
  m_git.commit();
  const auto before = sync().snapshot;
  m_git.remove("packages");
  m_git.commit();
  EXPECT_EQ(sync(m_clone).error().failure, Failure::invalid);
  EXPECT_EQ(m_client.manifest("live").value()->digest, before);
  add("a", "3");
  m_git.commit();
  EXPECT_THAT((sync(), paths()), ElementsAre(path("a", "3"), "repo", "urls.txt"));
}

TEST_F(OpamSyncTest, LeavesAChannelThatIsSomethingElse) {
  m_git.commit();
  ASSERT_TRUE(m_client.put_index(
      "live", R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})", {}));
  EXPECT_THAT(sync(m_clone).error().message, HasSubstr("opam@live is no tree"));
}

TEST_F(OpamSyncTest, GoesOnAfterAnEndInAnyPhase) {
  m_git.commit();
  sync();
  add("b", "1");
  const auto commit = m_git.commit();
  for (const std::string_view ends_at : {"fetched", "read", "sent"}) {
    struct End {};
    EXPECT_THROW(static_cast<void>(opam::sync(m_clone, m_client,
                                              {.on_phase =
                                                   [&](std::string_view phase) {
                                                     if (phase == ends_at) throw End();
                                                   }})),
                 End);
    EXPECT_THAT(paths(), ElementsAre(path("a", "1"), "repo", "urls.txt"));
  }
  EXPECT_EQ(sync().commit, commit);
  EXPECT_THAT(paths(), ElementsAre(path("a", "1"), path("b", "1"), "repo", "urls.txt"));
}

}  // namespace
}  // namespace slipway::opam
