// A push in which, once, one call of the store or the database fails: each call in turn, before it did anything or
// after it did and only its answer was lost. Whatever was answered 201 must be readable afterwards, nothing else may
// show as a tag, and the next push must go through.

#include "base/log.hpp"
#include "blob/fs_store.hpp"
#include "lifecycle/janitor.hpp"
#include "sql/sqlite.hpp"
#include "support/faulty_database.hpp"
#include "support/faulty_store.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"
#include "support/oci_client.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

namespace slipway {
namespace {

using test::Fault;
using test::OciAnswer;

// The first part of the layer is small enough for the session's row, the second makes it a file; the config goes to a
// pack.
constexpr std::size_t part_size = 40'000;
const std::string layer = std::string(part_size, 'a') + std::string(part_size, 'b') + std::string(part_size, 'c');
const std::string config = R"({"architecture":"amd64","os":"linux"})";

std::string digest_text(std::string_view bytes) { return digest_of(as_bytes(bytes)).text(); }

std::string image() {
  const auto descriptor = [](std::string_view type, std::string_view bytes) {
    return Json{{"mediaType", type}, {"digest", digest_text(bytes)}, {"size", bytes.size()}};
  };
  return Json{{"schemaVersion", 2},
              {"mediaType", oci::oci_manifest},
              {"config", descriptor("application/vnd.oci.image.config.v1+json", config)},
              {"layers", Json::array({descriptor("application/vnd.oci.image.layer.v1.tar", layer)})}}
      .dump();
}

/// A registry whose store and database can be told to fail.
class Instance {
public:
  explicit Instance(bool on_disk = false) : bytes(make_store(on_disk)) {
    catalog = std::move(catalog::Catalog::open(database, clock).value());
    access = std::move(access::Access::open({.anonymous = access::Anonymous::everything}).value());
    registry = std::make_unique<oci::Registry>(*catalog, store, "store", *access, oci::RegistryOptions{});
  }

  /// Suspended uploads that nobody ended.
  std::size_t leftovers() const {
    if (const auto* memory = dynamic_cast<const test::MemoryStore*>(bytes.get())) return memory->suspended_uploads();
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory / "store/uploads"), {}));
  }

  test::TempDirectory directory;
  test::ManualClock clock;
  std::unique_ptr<blob::BlobStore> bytes;
  test::FaultyStore store{*bytes};
  std::unique_ptr<sql::SqliteDatabase> sqlite =
      std::move(sql::SqliteDatabase::open(directory / "catalog.sqlite").value());
  test::FaultyDatabase database{*sqlite};
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<access::Access> access;
  std::unique_ptr<oci::Registry> registry;

private:
  std::unique_ptr<blob::BlobStore> make_store(bool on_disk) const {
    if (on_disk) return std::move(blob::FsStore::open(directory / "store").value());
    return std::make_unique<test::MemoryStore>();
  }
};

/// What a push got 201 for.
struct Acknowledged {
  bool layer = false;
  bool config = false;
  bool manifest = false;
};

std::string range_from(std::size_t at) { return std::to_string(at) + "-" + std::to_string(at + part_size - 1); }

bool is_refusal(int status) { return status >= 400 && status < 600; }

class FaultsTest : public testing::Test {
protected:
  void SetUp() override { log::set_level(log::Level::off); }  // what fails on purpose is no news
  void TearDown() override { log::set_level(log::Level::info); }

  /// Pushes an image as a client does that gives up at the first error.
  static Acknowledged push(oci::Registry& registry) {
    test::OciClient client(registry);
    Acknowledged out;
    const auto begun = client.ask("POST", "/v2/app/blobs/uploads/");
    if (begun.status != 202) return expect_refusal(begun), out;
    const auto session = begun.header("Location");
    for (const std::size_t at : {std::size_t{0}, part_size}) {
      const auto patched =
          client.ask("PATCH", session, {{"Content-Range", range_from(at)}}, layer.substr(at, part_size), 3);
      if (patched.status != 202) return expect_refusal(patched), out;
    }
    const auto put = client.ask("PUT", session + "?digest=" + digest_text(layer), {}, layer.substr(2 * part_size));
    if (put.status != 201) return expect_refusal(put), out;
    out.layer = true;
    const auto posted = client.ask("POST", "/v2/app/blobs/uploads/?digest=" + digest_text(config), {}, config);
    if (posted.status != 201) return expect_refusal(posted), out;
    out.config = true;
    const auto tagged = client.ask("PUT", "/v2/app/manifests/latest", {}, image());
    if (tagged.status != 201) return expect_refusal(tagged), out;
    out.manifest = true;
    return out;
  }

  static void expect_refusal(const OciAnswer& answer) {
    EXPECT_TRUE(is_refusal(answer.status)) << answer.status << " " << answer.body;
    EXPECT_FALSE(answer.code().empty()) << answer.body;
  }

  static void expect_readable(oci::Registry& registry, std::string_view bytes) {
    const auto answer = test::OciClient(registry).ask("GET", "/v2/app/blobs/" + digest_text(bytes));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.body, bytes);
  }

  /// Checks the promises after a push that met a fault; `tag_may_show` where an answer alone was lost.
  static void expect_promises(Instance& instance, const Acknowledged& acknowledged, bool tag_may_show) {
    auto& registry = *instance.registry;
    if (acknowledged.layer) expect_readable(registry, layer);
    if (acknowledged.config) expect_readable(registry, config);
    const auto tag = test::OciClient(registry).ask("GET", "/v2/app/manifests/latest");
    if (acknowledged.manifest || (tag_may_show && tag.status == 200)) {
      EXPECT_EQ(tag.body, image());
      expect_readable(registry, layer);
      expect_readable(registry, config);
    } else {
      EXPECT_EQ(tag.status, 404) << tag.body;
    }
    const auto again = push(registry);
    EXPECT_TRUE(again.layer && again.config && again.manifest);
    EXPECT_EQ(test::OciClient(registry).ask("GET", "/v2/app/manifests/latest").body, image());
    expect_readable(registry, layer);
    expect_readable(registry, config);
    expect_rows_and_bytes_agree(instance);
  }

  /// After the janitor passed: every row has its bytes, and no session and no suspended upload is left.
  static void expect_rows_and_bytes_agree(Instance& instance) {
    ASSERT_TRUE(lifecycle::finish_deletions(*instance.catalog, instance.store));
    instance.clock.advance(std::chrono::hours(48));
    ASSERT_TRUE(lifecycle::expire_uploads(*instance.catalog, instance.store, instance.clock.now()));
    EXPECT_EQ(instance.leftovers(), 0U);
    EXPECT_TRUE(instance.catalog->for_each_location([&](const catalog::StoredBlob& blob, const Digest&) -> Result<> {
      EXPECT_TRUE(instance.store.open(blob.location, {0, blob.size})) << blob.location.key;
      return {};
    }));
    EXPECT_EQ(instance.catalog->totals()->deletions, 0U);
    EXPECT_EQ(instance.catalog->totals()->uploads, 0U);
  }

  /// A push for each call that `plan_of` an instance counts, with that call failing.
  template <typename PlanOf>
  static void fail_each_call(PlanOf plan_of, Fault fault, Failure failure) {
    for (int call = 1;; ++call) {
      SCOPED_TRACE("call " + std::to_string(call));
      Instance instance;
      auto& plan = plan_of(instance);
      plan.arm(call, fault, failure);
      const auto acknowledged = push(*instance.registry);
      const bool struck = plan.has_struck();
      plan.disarm();
      if (!struck) {
        EXPECT_GT(call, 3) << "the push made too few calls to mean anything";
        EXPECT_TRUE(acknowledged.manifest);
        return;
      }
      expect_promises(instance, acknowledged, fault == Fault::after);
    }
  }
};

test::FaultPlan& store_plan(Instance& instance) { return instance.store.plan; }
test::FaultPlan& read_plan(Instance& instance) { return instance.database.reads; }
test::FaultPlan& write_plan(Instance& instance) { return instance.database.writes; }
test::FaultPlan& commit_plan(Instance& instance) { return instance.database.commits; }

TEST_F(FaultsTest, APushWithoutFaultsGoesThrough) {
  Instance instance;
  const auto acknowledged = push(*instance.registry);
  EXPECT_TRUE(acknowledged.layer && acknowledged.config && acknowledged.manifest);
  expect_promises(instance, acknowledged, false);
}

TEST_F(FaultsTest, APushSurvivesAnyFailingCallOfTheStore) { fail_each_call(store_plan, Fault::before, Failure::io); }

TEST_F(FaultsTest, APushSurvivesAnyLostAnswerOfTheStore) { fail_each_call(store_plan, Fault::after, Failure::io); }

TEST_F(FaultsTest, APushSurvivesAFullDisk) { fail_each_call(store_plan, Fault::before, Failure::no_space); }

TEST_F(FaultsTest, APushSurvivesAnyFailingRead) { fail_each_call(read_plan, Fault::before, Failure::busy); }

TEST_F(FaultsTest, APushSurvivesAnyFailingWrite) { fail_each_call(write_plan, Fault::before, Failure::busy); }

TEST_F(FaultsTest, APushSurvivesAnyLostAnswerOfACommit) { fail_each_call(write_plan, Fault::after, Failure::io); }

TEST_F(FaultsTest, APushSurvivesAnyFailingCommit) { fail_each_call(commit_plan, Fault::before, Failure::no_space); }

/// Uploads the layer as a patient client does: after an error it asks where the session stands and goes on from there,
/// and begins a new one only where it is told that there is none.
class PatientUpload {
public:
  explicit PatientUpload(oci::Registry& registry) : m_client(registry) {}

  /// The status that ended it: 201, or the last one where ten tries did not help.
  int run() {
    for (int tries = 0; tries < 10; ++tries) {
      if (m_session.empty()) begin();
      if (m_session.empty()) continue;
      const auto answer = m_position < 2 * part_size ? patch() : put();
      m_status = answer.status;
      if (answer.status == 201) return 201;
      if (answer.status == 202)
        m_position += part_size;
      else
        find_out(answer);
    }
    return m_status;
  }

private:
  void begin() {
    const auto begun = m_client.ask("POST", "/v2/app/blobs/uploads/");
    m_status = begun.status;
    if (begun.status == 202) m_session = begun.header("Location");
    m_position = 0;
  }

  OciAnswer patch() {
    return m_client.ask("PATCH", m_session, {{"Content-Range", range_from(m_position)}},
                        layer.substr(m_position, part_size));
  }

  OciAnswer put() {
    return m_client.ask("PUT", m_session + "?digest=" + digest_text(layer), {}, layer.substr(m_position));
  }

  void find_out(const OciAnswer& refused) {
    const auto status = refused.status == 416 ? refused : m_client.ask("GET", m_session);
    if (refused.status == 404 || status.status == 404) return m_session.clear();
    const auto range = status.header("Range");
    if (range.starts_with("0-")) m_position = range == "0-0" ? 0 : std::stoul(range.substr(2)) + 1;
  }

  test::OciClient m_client;
  std::string m_session;
  std::size_t m_position = 0;
  int m_status = 0;
};

TEST_F(FaultsTest, APatientClientGetsThroughWhateverFailsOnce) {
  for (const auto fault : {Fault::before, Fault::after})
    for (auto* const plan_of : {store_plan, read_plan, write_plan, commit_plan})
      for (int call = 1;; ++call) {
        SCOPED_TRACE((fault == Fault::before ? "before " : "after ") + std::to_string(call));
        Instance instance;
        auto& plan = plan_of(instance);
        plan.arm(call, fault);
        EXPECT_EQ(PatientUpload(*instance.registry).run(), 201);
        const bool struck = plan.has_struck();
        plan.disarm();
        expect_readable(*instance.registry, layer);
        expect_rows_and_bytes_agree(instance);
        if (!struck) break;
      }
}

TEST_F(FaultsTest, ASessionGoesOnThoughItsBytesGotTheirPlaceBefore) {
  // One PUT for all, on files: the bytes may have their name already while the catalog knows nothing of them.
  for (const auto fault : {Fault::before, Fault::after})
    for (auto* const plan_of : {store_plan, write_plan, commit_plan})
      for (int call = 1;; ++call) {
        SCOPED_TRACE((fault == Fault::before ? "before " : "after ") + std::to_string(call));
        Instance instance(true);
        test::OciClient client(*instance.registry);
        const auto session = client.ask("POST", "/v2/app/blobs/uploads/").header("Location");
        auto& plan = plan_of(instance);
        plan.arm(call, fault);
        auto put = client.ask("PUT", session + "?digest=" + digest_text(layer), {}, layer);
        const bool struck = plan.has_struck();
        plan.disarm();
        if (put.status >= 500) put = client.ask("PUT", session + "?digest=" + digest_text(layer), {}, layer);
        if (put.status == 201)
          expect_readable(*instance.registry, layer);
        else  // the session ended with the commit whose answer was lost
          EXPECT_EQ(put.status, 404) << put.body;
        expect_rows_and_bytes_agree(instance);
        if (!struck) break;
      }
}

TEST_F(FaultsTest, WhatABrokenOffUploadSentIsKept) {
  Instance instance;
  test::OciClient client(*instance.registry);
  const auto session = client.ask("POST", "/v2/app/blobs/uploads/").header("Location");
  client.break_off("PATCH", session, {}, layer);
  const auto status = client.ask("GET", session);
  ASSERT_EQ(status.header("Range"), "0-59999");
  const auto put = client.ask("PUT", session + "?digest=" + digest_text(layer), {}, layer.substr(60'000));
  EXPECT_EQ(put.status, 201) << put.body;
  expect_readable(*instance.registry, layer);
}

TEST_F(FaultsTest, ABrokenOffUploadThatCannotBeSavedStartsAtItsLastState) {
  for (int call = 1; call < 8; ++call) {
    SCOPED_TRACE(call);
    Instance instance;
    test::OciClient client(*instance.registry);
    const auto session = client.ask("POST", "/v2/app/blobs/uploads/").header("Location");
    instance.store.plan.arm(call);
    client.break_off("PATCH", session, {}, layer);
    instance.store.plan.disarm();
    const auto range = client.ask("GET", session).header("Range");
    const auto position = range == "0-0" ? 0 : std::stoul(range.substr(2)) + 1;
    const auto put = client.ask("PUT", session + "?digest=" + digest_text(layer), {}, layer.substr(position));
    EXPECT_EQ(put.status, 201) << put.body;
    expect_readable(*instance.registry, layer);
    expect_rows_and_bytes_agree(instance);
  }
}

TEST_F(FaultsTest, ALostBlobIsHealedByTheNextPush) {
  Instance instance;
  ASSERT_TRUE(push(*instance.registry).manifest);
  std::vector<blob::Location> all;
  ASSERT_TRUE(instance.catalog->for_each_location([&](const auto& blob, const Digest&) -> Result<> {
    all.push_back(blob.location);
    return {};
  }));
  for (const auto& location : all) ASSERT_TRUE(instance.store.remove(location));
  const auto lost = test::OciClient(*instance.registry).ask("HEAD", "/v2/app/blobs/" + digest_text(layer));
  EXPECT_EQ(lost.status, 404);
  EXPECT_TRUE(push(*instance.registry).manifest);
  expect_readable(*instance.registry, layer);
  expect_readable(*instance.registry, config);
  expect_rows_and_bytes_agree(instance);
}

}  // namespace
}  // namespace slipway
