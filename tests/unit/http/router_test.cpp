#include "http/router.hpp"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

/// A router that answers with the prefix that matched.
class RouterTest : public testing::Test {
protected:
  void add(const std::string& prefix) {
    m_router.add(prefix, [prefix](Request&) -> Answer { return Response::text(200, prefix); });
  }

  std::string route_of(std::string_view path) {
    Request request;
    request.target = *parse_target(path);
    const auto answer = m_router(request);
    const auto& response = std::get<Response>(answer);
    return response.status == 404 ? "none" : std::get<std::string>(response.body);
  }

  Router m_router;
};

TEST_F(RouterTest, LongestPrefixWinsInWhateverOrderTheyCame) {
  for (const auto* prefix : {"/api", "/api/v1/repo", "/", "/api/v1"}) add(prefix);
  EXPECT_EQ(route_of("/api/v1/repo/ls"), "/api/v1/repo");
  EXPECT_EQ(route_of("/api/v1/tag"), "/api/v1");
  EXPECT_EQ(route_of("/api/v2"), "/api");
  EXPECT_EQ(route_of("/else"), "/");
}

TEST_F(RouterTest, MatchesWholeSegments) {
  add("/v2");
  EXPECT_EQ(route_of("/v2"), "/v2");
  EXPECT_EQ(route_of("/v2/"), "/v2");
  EXPECT_EQ(route_of("/v2/x"), "/v2");
  EXPECT_EQ(route_of("/v2x"), "none");
  EXPECT_EQ(route_of("/V2"), "none");
  EXPECT_EQ(route_of("/x/v2"), "none");
}

TEST_F(RouterTest, CannotBeFooledByDoubleSlashes) {
  add("/v2");
  EXPECT_EQ(route_of("//v2"), "none");
  EXPECT_EQ(route_of("/v2//x"), "/v2");
}

TEST_F(RouterTest, WithoutACatchAllAnswers404) {
  add("/v2");
  EXPECT_EQ(route_of("/"), "none");
}

TEST(MethodNotAllowed, TellsWhatIs) {
  const auto response = method_not_allowed("GET, HEAD");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.get("Allow"), "GET, HEAD");
}

}  // namespace
}  // namespace slipway::http
