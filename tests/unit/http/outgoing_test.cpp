#include "http/outgoing.hpp"

#include "../../support/temp_directory.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <thread>

namespace slipway::http {
namespace {

/// A peer that takes at most so many bytes at a time, and every other time none.
class SlowPeer final : public Transport {
public:
  explicit SlowPeer(std::size_t bytes_at_a_time) : m_bytes(bytes_at_a_time) {}

  int fd() const override { return -1; }
  IoState handshake() override { return IoState::ok; }
  IoResult read(std::span<std::byte>) override { return {IoState::closed, 0}; }
  IoResult write(ByteView bytes, bool) override { return take(as_text(bytes)); }
  IoResult send_file(int file, ByteRange range) override {
    std::vector<std::byte> buffer(std::min<std::uint64_t>(range.length, m_bytes));
    const auto n = read_some(file, buffer, range.offset);
    if (!n || *n == 0) return {IoState::closed, 0};
    return take(as_text(ByteView(buffer).first(*n)));
  }
  void finish_writing() override {}

  std::string received;
  bool gone = false;

private:
  IoResult take(std::string_view bytes) {
    if (gone) return {IoState::closed, 0};
    m_blocked = !m_blocked;
    if (m_blocked) return {IoState::want_write, 0};
    const auto n = std::min(bytes.size(), m_bytes);
    received.append(bytes.substr(0, n));
    return {IoState::ok, n};
  }

  const std::size_t m_bytes;
  bool m_blocked = false;
};

/// Ships until it is done; everything the peer got.
std::string shipped(Outgoing outgoing, std::size_t bytes_at_a_time, std::size_t allowance = 1U << 20) {
  SlowPeer peer(bytes_at_a_time);
  for (int turns = 0; turns < 10'000'000; ++turns) switch (outgoing.ship(peer, allowance)) {
    case Shipping::done: EXPECT_EQ(outgoing.bytes_sent(), peer.received.size()); return peer.received;
    case Shipping::broken: return "(broken)";
    default: break;
    }
  return "(endless)";
}

/// A file that stays in memory: the kernel may take the pages of any other at any moment.
class WarmFile {
public:
  explicit WarmFile(const std::string& content)
      : m_file(std::make_shared<const Fd>(*open_file(m_directory.write("f", content), O_RDONLY))),
        m_size(content.size()), m_pages(::mmap(nullptr, m_size, PROT_READ, MAP_SHARED, m_file->get(), 0)) {
    EXPECT_EQ(::mlock(m_pages, m_size), 0);
  }
  ~WarmFile() { ::munmap(m_pages, m_size); }

  FileSlice part(std::uint64_t offset, std::uint64_t length) const { return {m_file, {offset, length}}; }

private:
  const test::TempDirectory m_directory;
  const std::shared_ptr<const Fd> m_file;
  const std::size_t m_size;
  void* const m_pages;
};

std::string head_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n\r\n") + 4); }
std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

std::string pattern(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<char>('a' + i * 31 % 26));
  return out;
}

Response with_body(Body body) { return Response{200, {}, std::move(body), false}; }

TEST(Outgoing, SendsEveryKindOfBodyWhole) {
  for (const std::size_t size : {0U, 1U, 16384U, 16385U, 70'000U}) {
    const auto content = pattern(size);
    const WarmFile file("<<" + content + ">>");
    for (const std::size_t at_a_time : {7U, 4096U, 1U << 20}) {
      if (at_a_time == 7 && size > 20'000) continue;
      EXPECT_EQ(body_of(shipped(Outgoing(with_body(content), {}, false, false), at_a_time)), content) << size;
      EXPECT_EQ(body_of(shipped(Outgoing(with_body(std::make_shared<const std::string>(content)), {}, false, false),
                                at_a_time)),
                content)
          << size;
      EXPECT_EQ(body_of(shipped(Outgoing(with_body(file.part(2, size)), {}, false, false), at_a_time)), content)
          << size;
    }
  }
}

TEST(Outgoing, SendsTheSameBytesByteByByte) {
  const auto response = [] { return Response::json(404, R"({"errors":[]})"); };
  const auto at_once = shipped(Outgoing(response(), {}, false, false), 1U << 20);
  EXPECT_EQ(shipped(Outgoing(response(), {}, false, false), 1), at_once);
}

TEST(Outgoing, StopsAtItsAllowance) {
  SlowPeer peer(1U << 20);
  Outgoing outgoing(with_body(std::make_shared<const std::string>(pattern(10'000))), {}, false, false);
  Shipping state = Shipping::blocked;
  while (state == Shipping::blocked) state = outgoing.ship(peer, 4000);
  ASSERT_EQ(state, Shipping::more);
  EXPECT_EQ(outgoing.body_bytes_sent(), 4000U);
}

TEST(Outgoing, StatesLengthTypeAndStatus) {
  Request request;
  request.id = "id-1";
  const auto head = head_of(shipped(Outgoing(Response::text(404, "gone\n"), request, false, false), 100));
  EXPECT_TRUE(head.starts_with("HTTP/1.1 404 Not Found\r\nDate: ")) << head;
  EXPECT_NE(head.find("\r\nContent-Length: 5\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nContent-Type: text/plain; charset=utf-8\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nX-Request-Id: id-1\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("Connection:"), std::string::npos) << head;
}

TEST(Outgoing, TellsHeadTheLengthOfTheBodyItLeavesOut) {
  Request request;
  request.method = Method::head;
  for (const std::size_t size : {5U, 100'000U}) {
    const auto answer = shipped(Outgoing(with_body(pattern(size)), request, false, true), 1000);
    EXPECT_NE(answer.find("Content-Length: " + std::to_string(size) + "\r\n"), std::string::npos);
    EXPECT_EQ(body_of(answer), "");
  }
}

TEST(Outgoing, StatesNoLengthWhereThereMayBeNone) {
  for (const int status : {204, 304}) {
    const auto answer = shipped(Outgoing(Response::empty(status), {}, false, false), 1000);
    EXPECT_EQ(answer.find("Content-Length"), std::string::npos) << answer;
    EXPECT_EQ(body_of(answer), "");
  }
  const auto empty = shipped(Outgoing(Response::empty(201), {}, false, false), 1000);
  EXPECT_NE(empty.find("Content-Length: 0\r\n"), std::string::npos) << empty;
}

TEST(Outgoing, TakesLineBreaksOutOfValues) {
  auto response = Response::empty(200);
  response.headers.add("Location", std::string("/x\r\nSet-Cookie: evil=1\r\n\r\n<html>") + std::string(1, 0));
  const auto answer = shipped(Outgoing(std::move(response), {}, false, false), 1000);
  EXPECT_NE(answer.find("Location: /xSet-Cookie: evil=1<html>\r\n"), std::string::npos) << answer;
  EXPECT_EQ(body_of(answer), "");
}

TEST(Outgoing, TellsWhetherTheConnectionGoesOn) {
  Request old;
  old.http_1_0 = true;
  const auto connection_of = [](const Request& request, bool close) {
    const auto head = head_of(shipped(Outgoing(Response::empty(200), request, close, false), 1000));
    const auto at = head.find("Connection: ");
    return at == head.npos ? std::string() : head.substr(at + 12, head.find("\r\n", at) - at - 12);
  };
  EXPECT_EQ(connection_of({}, false), "");
  EXPECT_EQ(connection_of({}, true), "close");
  EXPECT_EQ(connection_of(old, false), "keep-alive");
  EXPECT_EQ(connection_of(old, true), "close");
}

TEST(Outgoing, IsBrokenWhereTheFileIsShorterThanPromised) {
  const WarmFile file("short");
  EXPECT_EQ(shipped(Outgoing(with_body(file.part(0, 100)), {}, false, false), 1000), "(broken)");
}

TEST(Outgoing, IsBrokenWhenThePeerIsGone) {
  SlowPeer peer(10);
  peer.gone = true;
  Outgoing outgoing(Response::text(200, "x"), {}, false, false);
  EXPECT_EQ(outgoing.ship(peer, 100), Shipping::broken);
}

TEST(Outgoing, KnowsTheNextPartOfItsFile) {
  const WarmFile file(pattern(40'000));
  Outgoing outgoing(with_body(file.part(10, 30'000)), {}, false, false);
  EXPECT_EQ(outgoing.next_slice(20).range, (ByteRange{10, 20}));
  EXPECT_EQ(outgoing.next_slice(100'000).range, (ByteRange{10, 30'000}));
  EXPECT_TRUE(outgoing.is_warm());
  EXPECT_FALSE(Outgoing(Response::text(200, "x"), {}, false, false).next_slice(20).file);
}

TEST(Outgoing, SendsASmallFileWithItsHead) {
  const WarmFile file(pattern(40'000));
  const auto small = [&file] { return Outgoing(with_body(file.part(7, 16'384)), {}, false, false); };
  // The kernel may always say that it would have to wait, for a page that it is moving, say: on a machine under load
  // ten times at once, but not for long.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (small().next_slice(1).file && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(small().next_slice(1).file && small().next_slice(1).file);
  EXPECT_EQ(body_of(shipped(small(), 1'000'000)), pattern(40'000).substr(7, 16'384));
  EXPECT_TRUE(Outgoing(with_body(file.part(7, 16'385)), {}, false, false).next_slice(1).file);
}

}  // namespace
}  // namespace slipway::http
