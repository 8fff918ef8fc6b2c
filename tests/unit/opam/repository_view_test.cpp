#include "opam/repository_view.hpp"

#include "opam_fixture.hpp"

#include <gmock/gmock.h>
#include <thread>

namespace slipway::opam {
namespace {

class OpamViewTest : public OpamFixture {
protected:
  std::shared_ptr<const publish::OpenTree> tree() {
    return m_trees.open("opam", m_catalog->find_tag("opam", "live").value()).value();
  }
  Result<std::optional<publish::Representation>> find(const std::string& path) {
    return m_view.find(m_trees, *tree(), {.path = path, .query = {}, .headers = {}});
  }
  std::string bytes_of(const std::string& path) {
    const auto found = find(path);
    if (!found) return name_of(found.error().failure);
    const auto slice = (*found)->open({0, (*found)->size}).value();
    std::string out((*found)->size, '\0');
    EXPECT_EQ(read_some(slice, std::as_writable_bytes(std::span(out)), 0), out.size());
    EXPECT_EQ((*found)->validators.etag, "\"" + digest_of(as_bytes(out)).text() + "\"");
    return out;
  }

  publish::Trees m_trees{*m_catalog, m_store, 16U << 20};
  RepositoryView m_view{*m_catalog, m_directory / "archives"};
};

TEST_F(OpamViewTest, MakesArchivesOfSnapshots) {
  m_git.commit();
  sync();
  EXPECT_FALSE(find("/")->has_value());
  EXPECT_FALSE(find("/repo")->has_value());
  const auto first = bytes_of("/index.tar.gz");
  EXPECT_TRUE(first.starts_with("\x1f\x8b"));
  const auto plain = bytes_of("/index.tar");
  EXPECT_NE(plain.find("synopsis"), plain.npos);
  EXPECT_EQ(plain.find("urls.txt"), plain.npos);
  EXPECT_TRUE((*find("/index.tar.gz"))->validators.modified);

  // Another server, which has made nothing so far, makes the same.
  RepositoryView other(*m_catalog, m_directory / "elsewhere");
  EXPECT_EQ((*other.find(m_trees, *tree(), {.path = "/index.tar.gz", .query = {}, .headers = {}}))->validators.etag,
            "\"" + digest_of(as_bytes(first)).text() + "\"");
  const auto unnamed = std::filesystem::directory_iterator((m_directory / "elsewhere").string());
  EXPECT_EQ(unnamed, std::filesystem::directory_iterator());
}

TEST_F(OpamViewTest, ReadsWhatChanged) {
  for (int i = 0; i < 3000; ++i) add(fmt::format("p{}", i), "1", fmt::format("{}", i));
  m_git.commit();
  sync();
  const auto first = bytes_of("/index.tar.gz");
  add("p7", "2");
  m_git.commit();
  sync();
  const auto shards = tree()->snapshot.shards.size();
  ASSERT_GT(shards, 5U);
  const auto reads = m_store.plan.calls();
  const auto second = bytes_of("/index.tar.gz");
  EXPECT_NE(second, first);
  EXPECT_LT(m_store.plan.calls() - reads, 3200U / 2);
}

TEST_F(OpamViewTest, IsMadeOnceForAllWhoAsk) {
  for (int i = 0; i < 500; ++i) add(fmt::format("p{}", i), "1");
  m_git.commit();
  sync();
  {
    std::vector<std::jthread> askers;
    for (int i = 0; i < 8; ++i) askers.emplace_back([this] { EXPECT_TRUE(find("/index.tar.gz")); });
  }
  const auto one = (*find("/index.tar.gz"))->open({0, 1}).value().file;
  EXPECT_EQ((*find("/index.tar.gz"))->open({0, 1}).value().file, one);
}

TEST_F(OpamViewTest, HasSourcesUnderEachOfTheirChecksums) {
  m_git.commit();
  sync();
  const std::string bytes = "source";
  const auto digest = push("opam", bytes).size == bytes.size() ? digest_of(as_bytes(bytes)) : Digest();
  const Checksum sha256{Checksum::Kind::sha256, to_hex(digest.value())}, md5{Checksum::Kind::md5, std::string(32, 'a')};
  ASSERT_TRUE(m_catalog->pin_blob("opam", digest, {sha256.text(), md5.text()}));
  for (const auto& checksum : {sha256, md5}) EXPECT_EQ(bytes_of("/cache/" + checksum.cache_path()), bytes);
  EXPECT_TRUE((*find("/cache/" + md5.cache_path()))->is_lasting);
  const auto other = std::string(32, 'b');
  for (const auto& path :
       {"md5/bb/" + other, std::string(), std::string("md5"), "md5/aa/x/" + md5.hex, "md5/ab/" + md5.hex,
        "MD5/aa/" + md5.hex, "md5/AA/" + std::string(32, 'A'), std::string("../repo"), md5.cache_path() + "/"})
    EXPECT_EQ(find("/cache/" + path).error().failure, Failure::not_found) << path;
}

TEST_F(OpamViewTest, TellsWhatCannotBeRead) {
  m_git.commit();
  sync();
  const auto opened = tree();
  m_store.plan.arm(1, test::Fault::before, Failure::unavailable);
  EXPECT_EQ(m_view.find(m_trees, *opened, {.path = "/index.tar.gz", .query = {}, .headers = {}}).error().failure,
            Failure::unavailable);
  m_store.plan.disarm();
  EXPECT_TRUE(m_view.find(m_trees, *opened, {.path = "/index.tar.gz", .query = {}, .headers = {}}));
}

}  // namespace
}  // namespace slipway::opam
