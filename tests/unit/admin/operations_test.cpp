#include "admin/operations.hpp"

#include "admin/opam.hpp"

#include "base/log.hpp"
#include "support/storage.hpp"

#include <gtest/gtest.h>
#include <set>

namespace slipway::admin {
namespace {

/// Says yes to everything.
class AnyOpam final : public OpamControl {
public:
  Result<Json> list() override { return Json::object(); }
  Result<Json> add(const OpamPlace&, const OpamSource&, const std::string&) override { return Json::object(); }
  Result<Json> remove(const OpamPlace&, const std::string&) override { return Json::object(); }
  Result<Json> status(const OpamPlace&) override { return Json::object(); }
  Result<Json> sync(const OpamPlace&) override { return Json::object(); }
  Result<Json> check(const OpamPlace&) override { return Json::object(); }
  Result<Json> sources(const OpamPlace&, const std::string&, const std::string&, std::size_t) override {
    return Json::object();
  }
  Result<Json> explain(const OpamPlace& place, const std::string& package) override {
    return Json{{"channel", place.channel}, {"package", package}};
  }
  Result<Json> keep(const std::string&, const std::string&, const std::vector<std::string>& checksums) override {
    return Json(checksums);
  }
};

class OperationsTest : public testing::Test, protected test::Storage {
protected:
  void SetUp() override {
    m_level = log::level();
    ASSERT_TRUE(m_catalog->pair_with_store(m_bytes.identity().value()));
    const auto blob = push("content");
    ASSERT_TRUE(m_catalog->put_manifest("app/web",
                                        {.digest = digest_of(as_bytes("{}")),
                                         .media_type = "application/vnd.oci.image.index.v1+json",
                                         .bytes = "{}",
                                         .artifact_type = std::nullopt,
                                         .annotations = std::nullopt,
                                         .edges = {}},
                                        {"latest", "v1"}, "alice", true));
  }
  void TearDown() override { log::set_level(m_level); }

  catalog::StoredBlob push(const std::string& text) { return Storage::push("app/web", text); }

  Result<Json> run(std::string_view name, const Parameters& parameters = {}) {
    const auto* operation = operation_named(name);
    EXPECT_NE(operation, nullptr) << name;
    return operation->run(m_instance, parameters, "bob");
  }

  Failure failure_of(std::string_view name, const Parameters& parameters = {}) {
    const auto result = run(name, parameters);
    EXPECT_FALSE(result) << name << ": " << *result;
    return result ? Failure::io : result.error().failure;
  }

  /// What the doctor says of one thing.
  static std::string state_of(const Json& report, std::string_view name) {
    for (const auto& check : report["checks"])
      if (check["name"] == name) return check["state"];
    return "absent";
  }

  Instance m_instance{.catalog = *m_catalog,
                      .store = m_store,
                      .journal = catalog::Journal(*m_database),
                      .journal_objects = m_objects,
                      .clock = m_clock,
                      .data = m_directory.path(),
                      .urls = {"http://127.0.0.1:5000"},
                      .started_at = m_clock.now(),
                      .opam = &m_opam};
  AnyOpam m_opam;
  log::Level m_level = log::Level::info;
};

TEST_F(OperationsTest, EveryOneRuns) {
  const Parameters all = {{"repository", "app/web"},
                          {"tag", "v1"},
                          {"reference", "latest"},
                          {"n", "10"},
                          {"from", "v1"},
                          {"to", "live"},
                          {"channel", "live"},
                          {"git", "/srv/git"},
                          {"package", "dune"},
                          {"checksums", "md5=a,sha256=b"},
                          {"digest", digest_of(as_bytes("{}")).text()}};
  std::set<std::string_view> names;
  // What removes comes last: repositories after tags.
  std::vector<const Operation*> ordered;
  for (const auto& operation : operations()) ordered.push_back(&operation);
  std::ranges::sort(ordered, {}, [](const Operation* one) {
    return std::pair(one->name == "repo/rm" ? 2 : one->name == "tag/rm" ? 1 : 0, one);  // else in the table's order
  });
  for (const auto* operation : ordered) {
    EXPECT_TRUE(names.insert(operation->name).second) << operation->name;
    EXPECT_FALSE(operation->summary.empty()) << operation->name;
    const auto result = operation->run(m_instance, all, "bob");
    EXPECT_TRUE(result) << operation->name << ": " << result.error().message;
    EXPECT_EQ(operation_named(operation->name), operation);
  }
  EXPECT_EQ(operation_named("repo"), nullptr);
  EXPECT_EQ(operation_named(""), nullptr);
}

TEST_F(OperationsTest, EveryOneAsksForTheParametersItNeeds) {
  for (const auto& operation : operations()) {
    const auto parameters = std::string(operation.parameters);
    const bool needs_some =
        !parameters.empty() && parameters.find("? ") != 0 && parameters.substr(0, parameters.find(' ')).back() != '?';
    if (!needs_some) continue;
    const auto result = operation.run(m_instance, {}, "bob");
    ASSERT_FALSE(result) << operation.name;
    EXPECT_EQ(result.error().failure, Failure::invalid) << operation.name;
    EXPECT_NE(result.error().message.find(parameters.substr(0, parameters.find(' '))), std::string::npos)
        << result.error().message;
  }
}

TEST_F(OperationsTest, OpamIsAskedAsParametersSay) {
  EXPECT_EQ(run("opam/explain", {{"repository", "opam"}, {"package", "dune"}}).value()["channel"], "live");
  EXPECT_EQ(run("opam/keep", {{"repository", "opam"}, {"digest", "d"}, {"checksums", "a,b"}}).value(),
            Json::array({"a", "b"}));
  EXPECT_EQ(failure_of("opam/add", {{"repository", "opam"}, {"git", "/x"}, {"poll_ms", "999"}}), Failure::invalid);
  EXPECT_EQ(failure_of("opam/sources", {{"repository", "opam"}, {"state", "lost"}}), Failure::invalid);
  m_instance.opam = nullptr;
  EXPECT_EQ(failure_of("opam/ls"), Failure::unavailable);
}

TEST_F(OperationsTest, RepoListsInPages) {
  EXPECT_EQ(run("repo/ls").value()["repositories"], Json::array({"app/web"}));
  EXPECT_EQ(run("repo/ls", {{"last", "app/web"}}).value()["repositories"], Json::array());
  EXPECT_EQ(run("repo/ls", {{"n", "1"}}).value()["more"], true);
  for (const auto* n : {"0", "-1", "x", "1x", "99999999999999999999999"})
    EXPECT_EQ(failure_of("repo/ls", {{"n", n}}), Failure::invalid) << n;
}

TEST_F(OperationsTest, RepoShowCountsWhatItHolds) {
  const auto shown = run("repo/show", {{"repository", "app/web"}}).value();
  EXPECT_EQ(shown["tags"], 2);
  EXPECT_EQ(shown["manifests"], 1);
  EXPECT_EQ(shown["blobs"], 1);
  EXPECT_EQ(shown["blob_bytes"], 7);
  EXPECT_EQ(failure_of("repo/show", {{"repository", "absent"}}), Failure::not_found);
}

TEST_F(OperationsTest, RepoRmEndsItsUploadsToo) {
  const auto begun = m_catalog->begin_upload("app/web", "alice", 10).value();
  auto upload = m_catalog->claim_upload("app/web", begun.id).value();
  auto intake = blob::Intake::begin(m_bytes, upload.location, true, {}, std::nullopt).value();
  upload.token = intake.suspend().value();
  ASSERT_TRUE(m_catalog->save_upload(upload, 0));
  ASSERT_EQ(m_bytes.suspended_uploads(), 1U);
  EXPECT_EQ(run("repo/rm", {{"repository", "app/web"}}).value()["removed"], "app/web");
  EXPECT_EQ(m_bytes.suspended_uploads(), 0U);
  EXPECT_EQ(failure_of("repo/rm", {{"repository", "app/web"}}), Failure::not_found);
}

TEST_F(OperationsTest, TagsAreListedRemovedAndRemembered) {
  const auto tags = run("tag/ls", {{"repository", "app/web"}}).value();
  ASSERT_EQ(tags["tags"].size(), 2U);
  EXPECT_EQ(tags["tags"][0]["tag"], "latest");
  EXPECT_EQ(tags["tags"][0]["digest"], digest_of(as_bytes("{}")).text());
  EXPECT_EQ(run("tag/rm", {{"repository", "app/web"}, {"tag", "latest"}}).value()["removed"], "app/web:latest");
  EXPECT_EQ(failure_of("tag/rm", {{"repository", "app/web"}, {"tag", "latest"}}), Failure::not_found);
  const auto history = run("tag/history", {{"repository", "app/web"}, {"tag", "latest"}}).value()["history"];
  ASSERT_EQ(history.size(), 2U);
  EXPECT_TRUE(history[0]["digest"].is_null());
  EXPECT_EQ(history[0]["who"], "bob");
  EXPECT_EQ(history[1]["who"], "alice");
}

TEST_F(OperationsTest, ManifestsAreShownByTagAndDigest) {
  for (const auto& reference : {std::string("latest"), digest_of(as_bytes("{}")).text()}) {
    const auto shown = run("manifest/show", {{"repository", "app/web"}, {"reference", reference}}).value();
    EXPECT_EQ(shown["content"], "{}");
    EXPECT_EQ(shown["size"], 2);
  }
  EXPECT_EQ(failure_of("manifest/show", {{"repository", "app/web"}, {"reference", "absent"}}), Failure::not_found);
}

TEST_F(OperationsTest, ServerSetChangesWhatServerStatusShows) {
  EXPECT_EQ(run("server/status").value()["read_only"], false);
  EXPECT_EQ(run("server/set", {{"read_only", "true"}, {"log_level", "off"}}).value()["read_only"], true);
  const auto status = run("server/status").value();
  EXPECT_EQ(status["read_only"], true);
  EXPECT_EQ(status["log_level"], "off");
  EXPECT_EQ(status["repositories"], 1);
  EXPECT_EQ(failure_of("tag/rm", {{"repository", "app/web"}, {"tag", "latest"}}), Failure::read_only);
  run("server/set", {{"read_only", "false"}}).value();
  EXPECT_TRUE(run("tag/rm", {{"repository", "app/web"}, {"tag", "latest"}}));
}

TEST_F(OperationsTest, ServerSetTakesAllOrNothing) {
  EXPECT_EQ(failure_of("server/set", {{"read_only", "maybe"}}), Failure::invalid);
  EXPECT_EQ(failure_of("server/set", {{"read_only", "true"}, {"log_level", "loud"}}), Failure::invalid);
  EXPECT_FALSE(m_catalog->is_read_only());
}

TEST_F(OperationsTest, TheDoctorFindsAHealthyServerHealthy) {
  const auto report = run("doctor", {{"deep", "true"}}).value();
  EXPECT_EQ(report["healthy"], true) << report.dump(2);
  EXPECT_EQ(state_of(report, "round trip"), "ok");
  EXPECT_EQ(state_of(report, "store contents"), "ok");
  EXPECT_EQ(state_of(report, "store"), "ok");
  EXPECT_EQ(m_bytes.locations(), 1U);  // its own trial is gone again
  EXPECT_EQ(report["unreachable"]["blobs"], 0);
}

TEST_F(OperationsTest, TheDoctorFindsLostBytes) {
  const auto blob = push("lost");
  ASSERT_TRUE(m_bytes.remove(blob.location));
  EXPECT_EQ(run("doctor").value()["healthy"], true);  // only a deep look can tell
  const auto report = run("doctor", {{"deep", "true"}}).value();
  EXPECT_EQ(report["healthy"], false);
  EXPECT_EQ(state_of(report, "store contents"), "fail");
}

TEST_F(OperationsTest, TheDoctorFindsAStoreThatCannotBeWritten) {
  for (int call = 1; call < 20; ++call) {
    m_store.plan.arm(call);
    const auto report = run("doctor").value();
    EXPECT_EQ(report["healthy"], !m_store.plan.has_struck()) << call << report.dump(2);
  }
  m_store.plan.disarm();
}

TEST_F(OperationsTest, TheDoctorFindsAClockThatWentBack) {
  m_clock.advance(-std::chrono::hours(2));
  EXPECT_EQ(state_of(run("doctor").value(), "clock"), "fail");
}

TEST_F(OperationsTest, TheDoctorFindsAStrangersStore) {
  ASSERT_TRUE(m_catalog->set_setting("store_id", "another"));
  EXPECT_EQ(state_of(run("doctor").value(), "store"), "fail");
}

TEST_F(OperationsTest, TheDoctorWritesNothingWhileReadOnly) {
  m_catalog->set_read_only(true);
  EXPECT_EQ(state_of(run("doctor").value(), "round trip"), "warn");
}

}  // namespace
}  // namespace slipway::admin
