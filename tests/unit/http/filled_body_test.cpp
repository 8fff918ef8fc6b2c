// Answers whose bytes come from elsewhere while they are sent.

#include "../../support/temp_directory.hpp"
#include "running_server.hpp"

#include <atomic>
#include <condition_variable>
#include <fcntl.h>

namespace slipway::http {
namespace {

constexpr std::size_t size = 5U << 20;

/// Fills a file as far as it is let.
class Tap final : public Filling {
public:
  explicit Tap(const std::filesystem::path& path)
      : m_file(std::make_shared<const Fd>(open_file(path, O_RDWR | O_CREAT).value())) {
    EXPECT_TRUE(truncate_file(m_file->get(), size));
  }
  FileSlice slice(const std::shared_ptr<Tap>& self) const { return {m_file, {0, size}, self}; }

  std::uint64_t filled(std::uint64_t offset) const override {
    const std::lock_guard lock(m_mutex);
    return m_filled - std::min(m_filled, offset);
  }
  using Filling::fill;
  Result<> fill(ByteRange range, const std::function<void()>& progress) override {
    const auto end = range.offset + range.length;
    std::unique_lock lock(m_mutex);
    m_most_wanted = std::max(m_most_wanted, range.length);
    while (m_filled < end) {
      m_wanted.wait(lock, [&] { return m_allowed > m_filled || m_filled >= std::min(end, m_broken_at); });
      if (m_filled >= end) break;
      const auto until = std::min({end, m_allowed, m_broken_at});
      if (until <= m_filled) return fail(m_failure, "the well is dry");
      const std::string bytes(until - m_filled, 'w');
      TRY(write_all(m_file->get(), as_bytes(bytes), m_filled));
      m_filled = until;
      lock.unlock();
      m_wanted.notify_all();
      progress();
      lock.lock();
    }
    return {};
  }
  std::uint64_t most_wanted() const {
    const std::lock_guard lock(m_mutex);
    return m_most_wanted;
  }
  void allow(std::uint64_t until) {
    {
      const std::lock_guard lock(m_mutex);
      m_allowed = until;
    }
    m_wanted.notify_all();
  }
  void break_at(std::uint64_t offset, Failure failure = Failure::unavailable) {
    m_broken_at = offset;
    m_failure = failure;
  }

private:
  const std::shared_ptr<const Fd> m_file;
  mutable std::mutex m_mutex;  // guards what follows
  std::condition_variable m_wanted;
  std::uint64_t m_filled = 0;
  std::uint64_t m_most_wanted = 0;
  std::uint64_t m_allowed = size;
  std::uint64_t m_broken_at = size;
  Failure m_failure = Failure::unavailable;
};

class FilledBody : public testing::Test {
protected:
  Answer handle(const Request& request) {
    Response response{200, {}, m_tap->slice(m_tap), false};
    if (request.target.path() == "/told")
      response.otherwise = [](const Error& error) { return Response::text(404, "lost: " + error.message); };
    return response;
  }

  const test::TempDirectory m_directory;
  std::shared_ptr<Tap> m_tap = std::make_shared<Tap>(m_directory / "file");
  RunningServer m_server{[this](Request& request) { return handle(request); }};
};

TEST_F(FilledBody, IsSentAsItComes) {
  auto client = m_server.connect();
  m_tap->allow(0);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  for (std::size_t until = 1U << 20; until <= size; until += 1U << 20) m_tap->allow(until);
  const auto answer = client.answer();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_TRUE(answer.body == std::string(size, 'w'));
  EXPECT_EQ(client.ask("GET /").body.size(), size);
}

TEST_F(FilledBody, ItsBeginningIsSentWhileTheRestOfOneStepStillComes) {
  auto client = m_server.connect();
  m_tap->allow(3 * read_ahead_window);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(client.wait_for(2 * read_ahead_window));  // a window goes out once all of it is there
  EXPECT_EQ(m_tap->most_wanted(), size);
  m_tap->allow(size);
  EXPECT_EQ(client.answer().body.size(), size);
}

TEST_F(FilledBody, NothingIsSentBeforeItIsThere) {
  for (std::size_t until = 64U << 10; until < size; until += 640U << 10) {
    const auto tap = std::make_shared<Tap>(m_directory / std::to_string(until));
    m_tap = tap;
    auto client = m_server.connect();
    tap->allow(std::max(until, read_ahead_window));
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(client.wait_for(64U << 10));
    tap->allow(size);
    const auto answer = client.answer();
    ASSERT_EQ(answer.body.size(), size);
    ASSERT_EQ(answer.body.find_first_not_of('w'), answer.body.npos);
  }
}

TEST_F(FilledBody, HoldsUpNobodyElse) {
  m_tap->allow(0);
  std::vector<RawClient> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(m_server.connect());
    waiting.back().send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  auto client = m_server.connect();
  EXPECT_EQ(client.ask("HEAD /").status(), 200);
  m_tap->allow(size);
  for (auto& one : waiting) EXPECT_EQ(one.answer().body.size(), size);
}

TEST_F(FilledBody, IsAnotherAnswerWhereItsBeginningIsNotToBeHad) {
  m_tap->break_at(0);
  auto client = m_server.connect();
  const auto answer = client.ask("GET /");
  EXPECT_EQ(answer.status(), 503);
  EXPECT_TRUE(answer.has("Retry-After: 5\r\n"));
  EXPECT_EQ(answer.body, "the well is dry\n");
  EXPECT_EQ(client.ask("GET /told").body, "lost: the well is dry");  // on the same connection
}

TEST_F(FilledBody, IsCutOffWhereItsRestIsNotToBeHad) {
  m_tap->break_at(3U << 20);
  auto client = m_server.connect();
  const auto answer = client.ask("GET /");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_LE(answer.body.size(), 3U << 20);
}

}  // namespace
}  // namespace slipway::http
