#include "http/local.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace slipway::http {
namespace {

/// An open file of these bytes, which no name leads to.
std::shared_ptr<const Fd> file_of(std::string_view text) {
  auto file = std::make_shared<const Fd>(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_TRUE(write_all(file->get(), as_bytes(text), 0));
  return file;
}

/// Says what it was asked; bodies come back.
Answer echo(Request& request) {
  if (request.has_body)
    return collect_body(1U << 20, Response::text(413, "too large"),
                        [](std::string body) { return Response::text(201, std::move(body)); });
  auto text = std::string(name_of(request.method)) + " " + request.target.path() + " " +
              std::string(request.headers.get("X-Name"));
  return Response::text(200, std::move(text));
}

Result<ClientResponse> ask(const ClientRequest& request) { return http::ask(echo, request); }

TEST(Local, TheHandlerSeesWhatWasAsked) {
  const auto answer = ask({.method = "GET", .target = "/a%20b/c?d=e", .headers = {"X-Name: value", "X-Empty:"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "GET /a b/c value");
  EXPECT_EQ(ask({.method = "HEAD", .target = "/"})->body, "");
  EXPECT_EQ(ask({.target = "no path"}).error().failure, Failure::invalid);
}

TEST(Local, BodiesComeFromMemoryAndFiles) {
  const std::string text(500'000, 'x');
  ClientRequest request{.method = "POST", .target = "/"};
  request.body = as_bytes(text);
  EXPECT_EQ(ask(request)->body, text);
  request.body = FileSlice{file_of("before " + text), {7, text.size()}};
  EXPECT_EQ(ask(request)->body, text);
  request.body = FileSlice{file_of("short"), {0, 100}};
  EXPECT_EQ(ask(request).error().failure, Failure::corrupt);
}

TEST(Local, ARefusalEndsABody) {
  const std::string text(2'000'000, 'x');
  ClientRequest request{.method = "POST", .target = "/"};
  request.body = as_bytes(text);
  EXPECT_EQ(ask(request)->status, 413);
}

TEST(Local, AnswersGoToTheSinkOfTheirStatus) {
  std::string taken;
  ClientRequest request{.target = "/"};
  request.sink = [&](ByteView piece) -> Result<> {
    taken += as_text(piece);
    return {};
  };
  EXPECT_EQ(ask(request)->body, "");
  EXPECT_EQ(taken, "GET / ");
  request.sink_status = 404;
  EXPECT_EQ(ask(request)->body, "GET / ");
  request.sink_status = 200;
  request.sink = [](ByteView) -> Result<> { return fail(Failure::no_space, "full"); };
  EXPECT_EQ(ask(request).error().failure, Failure::no_space);
}

TEST(Local, AnswersMayBeFilesAndSharedText) {
  const std::string text(300'000, 'y');
  const auto slice = [&](Request&) -> Answer {
    return Response{200, {}, FileSlice{file_of("xx" + text), {2, text.size()}}, false};
  };
  EXPECT_EQ(http::ask(slice, {.target = "/"})->body, text);
  EXPECT_EQ(http::ask(slice, {.target = "/", .answer_bytes_max = 1000}).error().failure, Failure::too_large);
  const auto shared = [](Request&) -> Answer {
    return Response{200, {}, std::make_shared<const std::string>("shared"), false};
  };
  EXPECT_EQ(http::ask(shared, {.target = "/"})->body, "shared");
}

}  // namespace
}  // namespace slipway::http
