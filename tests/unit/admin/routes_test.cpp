#include "admin/routes.hpp"

#include "support/storage.hpp"

#include <gtest/gtest.h>

namespace slipway::admin {
namespace {

const std::string token(64, 't');

class RoutesTest : public testing::Test, protected test::Storage {
protected:
  RoutesTest() { open(access::Anonymous::nothing, false); }

  void open(access::Anonymous anonymous, bool public_metrics) {
    m_collector.reset();
    m_access = std::move(access::Access::open({.anonymous = anonymous,
                                               .public_metrics = public_metrics,
                                               .admin_token_sha256 = to_hex(digest_of(as_bytes(token)).value())})
                             .value());
    m_router = {};
    m_collector = add_routes(m_router, m_instance, *m_access, m_metrics);
  }

  http::Response ask(http::Method method, std::string_view target, std::string_view authorization = "") {
    http::Request request;
    request.method = method;
    request.target = http::parse_target(target).value();
    if (!authorization.empty()) request.headers.add("Authorization", std::string(authorization));
    auto answer = m_router(request);
    return std::get<http::Response>(std::move(answer));
  }
  http::Response get(std::string_view target, std::string_view authorization = "") {
    return ask(http::Method::get, target, authorization);
  }
  static std::string body_of(const http::Response& response) { return std::get<std::string>(response.body); }

  Instance m_instance{.catalog = *m_catalog,
                      .store = m_store,
                      .journal = catalog::Journal(*m_database),
                      .journal_objects = m_objects,
                      .clock = m_clock,
                      .data = m_directory.path(),
                      .urls = {},
                      .started_at = m_clock.now()};
  std::unique_ptr<access::Access> m_access;
  Metrics m_metrics;
  http::Router m_router;
  Metrics::Collector m_collector;
  const std::string m_admin = "Bearer " + token;
};

TEST_F(RoutesTest, AdministratorsMayEverything) {
  const auto answer = get("/api/v1/server/status", m_admin);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(parse_json(body_of(answer))->contains("version"));
  EXPECT_EQ(ask(http::Method::post, "/api/v1/server/set?read_only=true", m_admin).status, 200);
  EXPECT_TRUE(m_catalog->is_read_only());
}

TEST_F(RoutesTest, OthersMayNot) {
  for (const auto& operation : operations()) {
    const auto method = operation.changes ? http::Method::post : http::Method::get;
    const auto target = "/api/v1/" + std::string(operation.name) + "?repository=a&tag=t&reference=t";
    const auto anonymous = ask(method, target);
    EXPECT_EQ(anonymous.status, 401) << operation.name;
    EXPECT_TRUE(anonymous.headers.has("WWW-Authenticate")) << operation.name;
    EXPECT_EQ(ask(method, target, "Bearer wrong").status, 401) << operation.name;
  }
  EXPECT_FALSE(m_catalog->is_read_only());
}

TEST_F(RoutesTest, WhoMayPullMaySeeWhatThereIsToPull) {
  open(access::Anonymous::pull, false);
  ASSERT_TRUE(m_catalog->begin_upload("a", "alice", 10));  // makes the repository
  EXPECT_EQ(get("/api/v1/tag/ls?repository=a").status, 200);
  EXPECT_EQ(get("/api/v1/repo/ls").status, 401);
  EXPECT_EQ(ask(http::Method::post, "/api/v1/tag/rm?repository=a&tag=t").status, 401);
}

TEST_F(RoutesTest, ReadingIsGetAndChangingIsPost) {
  EXPECT_EQ(ask(http::Method::post, "/api/v1/repo/ls", m_admin).status, 405);
  EXPECT_EQ(get("/api/v1/server/set?read_only=true", m_admin).status, 405);
  EXPECT_EQ(ask(http::Method::del, "/api/v1/repo/rm?repository=a", m_admin).status, 405);
}

TEST_F(RoutesTest, ErrorsAreJson) {
  const auto missing = get("/api/v1/repo/show?repository=absent", m_admin);
  EXPECT_EQ(missing.status, 404);
  EXPECT_NE(string_at(*parse_json(body_of(missing)), "error").find("absent"), std::string::npos);
  EXPECT_EQ(get("/api/v1/repo/show", m_admin).status, 400);
  for (const auto* target : {"/api", "/api/v1", "/api/v1/", "/api/v2/repo/ls", "/api/v1/repo", "/api/v1/repo/ls/x"})
    EXPECT_EQ(get(target, m_admin).status, 404) << target;
}

TEST_F(RoutesTest, HealthIsNobodysSecret) {
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 200);
}

TEST_F(RoutesTest, MetricsAreForAdministratorsUnlessStated) {
  EXPECT_EQ(get("/metrics").status, 401);
  const auto answer = get("/metrics", m_admin);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("Content-Type"), "text/plain; version=0.0.4");
  EXPECT_NE(body_of(answer).find("\nslipway_repositories 0\n"), std::string::npos);
  open(access::Anonymous::nothing, true);
  EXPECT_EQ(get("/metrics").status, 200);
}

}  // namespace
}  // namespace slipway::admin
