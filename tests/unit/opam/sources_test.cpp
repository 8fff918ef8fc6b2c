#include "opam/sources.hpp"

#include "opam/packages.hpp"
#include "opam/source_hasher.hpp"
#include "opam_fixture.hpp"
#include "support/scripted_server.hpp"

#include <gmock/gmock.h>

namespace slipway::opam {
namespace {

using s3::answer;
using namespace std::chrono_literals;

/// Takes connections and never answers, until it goes.
class SilentServer {
public:
  SilentServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(m_listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(m_listener, 16) != 0 ||
        ::getsockname(m_listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no listener");
    m_port = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(m_listener); }
  SilentServer(const SilentServer&) = delete;
  std::string url() const { return fmt::format("http://127.0.0.1:{}", m_port); }

private:
  const int m_listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t m_port = 0;
};

class OpamSourcesTest : public OpamFixture {
protected:
  Source source(const std::string& bytes, const std::string& url) {
    SourceHasher hasher;
    hasher.update(as_bytes(bytes));
    return {.extra_name = {}, .urls = {url}, .checksums = {hasher.checksums()[1]}};
  }
  std::unique_ptr<Sources> start(std::chrono::milliseconds pause = 10ms, unsigned at_once = 4,
                                 std::chrono::milliseconds rest = 1ms) {
    return std::make_unique<Sources>(
        SourceStore{*m_catalog, m_client, (m_directory / "spool").string()},
        SourcesOptions{.fetches_max = at_once,
                       .first_pause = pause,
                       .longest_pause = 2 * pause,
                       .first_rest = rest,
                       .longest_rest = rest,
                       .download = {.may_be_private = true, .attempts_max = 1, .pause = {}}});
  }
  static bool eventually(const std::function<bool()>& check) {
    for (int i = 0; i < 2000 && !check(); ++i) std::this_thread::sleep_for(5ms);
    return check();
  }

  s3::ScriptedServer m_upstream;
};

TEST_F(OpamSourcesTest, AreFetchedOnce) {
  const auto a = source("a", m_upstream.url() + "/a"), b = source("b", m_upstream.url() + "/b");
  m_upstream.add(answer(200, "a"));
  const auto sources = start();
  ASSERT_TRUE(sources->want({a, a}));
  EXPECT_TRUE(eventually([&] { return sources->status().missing == 0; }));
  m_upstream.add(answer(200, "b"));
  ASSERT_TRUE(sources->want({a, b}));
  EXPECT_TRUE(eventually([&] { return sources->status().missing == 0; }));
  EXPECT_EQ(sources->status().wanted, 2U);
  EXPECT_EQ(m_upstream.requests().size(), 2U);
  EXPECT_TRUE(m_catalog->find_pin("opam", b.checksums[0].text()));
  ASSERT_TRUE(sources->want({}));
  EXPECT_TRUE(m_catalog->find_pin("opam", a.checksums[0].text()));  // for good
}

TEST_F(OpamSourcesTest, AreTriedAgain) {
  const auto a = source("a", m_upstream.url() + "/a");
  m_upstream.add(answer(404));
  m_upstream.add(answer(200, "other"));
  m_upstream.add(answer(200, "a"));
  const auto sources = start();
  ASSERT_TRUE(sources->want({a}));
  EXPECT_TRUE(sources->wait_for_first_tries(10s));
  EXPECT_TRUE(eventually([&] { return sources->status().missing == 0; }));
  EXPECT_EQ(m_upstream.requests().size(), 3U);
}

TEST_F(OpamSourcesTest, TellWhatIsMissing) {
  const auto a = source("a", m_upstream.url() + "/a"), dead = source("d", "http://127.0.0.1:1/d");
  m_upstream.add(answer(200, "a"));
  const auto sources = start(1h);
  ASSERT_TRUE(sources->want({dead, a}));
  EXPECT_TRUE(sources->wait_for_first_tries(10s));
  const auto status = sources->status();
  EXPECT_EQ(status.wanted, 2U);
  EXPECT_EQ(status.missing, 1U);
  ASSERT_EQ(status.failing.size(), 1U);
  EXPECT_EQ(status.failing[0].failures, 1U);
  EXPECT_GT(status.failing[0].next_in, 50min);
  EXPECT_NE(status.failing[0].problem.find("http://127.0.0.1:1"), std::string::npos);
  ASSERT_TRUE(sources->want({a}));  // nobody wants it any more
  EXPECT_EQ(sources->status().missing, 0U);
}

TEST_F(OpamSourcesTest, OfADeadHostDelayNoOthers) {
  const SilentServer silent;
  std::vector<Source> all;
  for (int i = 0; i < 10; ++i) all.push_back(source(fmt::format("{}", i), fmt::format("{}/{}", silent.url(), i)));
  const auto a = source("a", m_upstream.url() + "/a");
  all.push_back(a);
  m_upstream.add(answer(200, "a"));
  auto sources = start(1h, 3);
  ASSERT_TRUE(sources->want(all));
  EXPECT_TRUE(eventually([&] { return m_catalog->find_pin("opam", a.checksums[0].text()).has_value(); }));
  const auto began = std::chrono::steady_clock::now();
  sources.reset();  // while two of them wait
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST_F(OpamSourcesTest, OfAHostThatDoesNotAnswerAreNotAllTried) {
  m_upstream.add(answer(503));
  std::vector<Source> all;
  for (int i = 0; i < 100; ++i) all.push_back(source(fmt::format("{}", i), fmt::format("{}/{}", m_upstream.url(), i)));
  auto sources = start(1h, 1, 1h);
  ASSERT_TRUE(sources->want(all));
  ASSERT_TRUE(sources->wait_for_first_tries(10s));  // nobody waits for what will not come
  EXPECT_EQ(m_upstream.requests().size(), 1U);
  const auto status = sources->status();
  EXPECT_EQ(status.missing, 100U);
  ASSERT_EQ(status.failing.size(), 100U);
  for (const auto& each : status.failing) EXPECT_NE(each.problem.find("503"), std::string::npos) << each.problem;
}

TEST_F(OpamSourcesTest, WantedLastComeFirst) {
  auto silent = std::make_unique<SilentServer>();
  auto sources = start(1h, 1);
  std::vector<Source> all{source("first", silent->url() + "/first")};
  ASSERT_TRUE(sources->want(all));
  ASSERT_FALSE(sources->wait_for_first_tries(100ms));  // the only thread waits for it
  for (const auto* name : {"a", "b", "c"}) {
    all.push_back(source(name, m_upstream.url() + "/" + name));
    m_upstream.add(answer(404));
    ASSERT_TRUE(sources->want(all));
  }
  silent.reset();
  ASSERT_TRUE(sources->wait_for_first_tries(30s));
  const auto requests = m_upstream.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_TRUE(requests[0].starts_with("GET /c "));
  EXPECT_TRUE(requests[2].starts_with("GET /a "));
}

TEST_F(OpamSourcesTest, AreReadFromASnapshot) {
  m_git.write(path("b", "1"), "url { src: \"https://h/b.tgz\" checksum: \"md5=" + std::string(32, 'a') + "\" }");
  m_git.commit();
  sync();
  publish::Trees trees(*m_catalog, m_store, 16U << 20);
  const auto open = [&] { return trees.open("opam", m_catalog->find_tag("opam", "live").value()).value(); };
  Packages packages;
  const auto first = packages.read(trees, "opam", open()->snapshot).value();
  ASSERT_EQ(sources_of(first).size(), 1U);
  EXPECT_EQ(sources_of(first)[0].urls[0], "https://h/b.tgz");
  EXPECT_EQ(packages.read(trees, "opam", open()->snapshot).value(), first);  // the very same parts
}

}  // namespace
}  // namespace slipway::opam
