// The queries of lists: n, last, artifactType, scope. Whatever they say, the answer is a page or a refusal of the
// spec's kind, and a filter lets through only what it names.
//
// Input: a byte that chooses the list, then the query.

#include "base/log.hpp"
#include "blob/fs_store.hpp"
#include "input.hpp"
#include "oci/registry.hpp"
#include "sql/sqlite.hpp"
#include "support/oci_client.hpp"
#include "support/temp_directory.hpp"

using namespace slipway;

namespace {

/// A registry with a few tags, repositories and referrers; made once.
struct World {
  test::TempDirectory directory;
  std::unique_ptr<blob::FsStore> store = std::move(blob::FsStore::open(directory / "store").value());
  std::unique_ptr<sql::SqliteDatabase> database =
      std::move(sql::SqliteDatabase::open(directory / "catalog.sqlite").value());
  std::unique_ptr<catalog::Catalog> catalog = std::move(catalog::Catalog::open(*database, system_clock()).value());
  std::unique_ptr<access::Access> access =
      std::move(access::Access::open({.anonymous = access::Anonymous::everything}).value());
  oci::Registry registry{*catalog, *store, "store", *access, {}};
  test::OciClient client{registry};
  const std::string subject = digest_of(as_bytes("subject")).text();

  World() {
    log::set_level(log::Level::off);
    for (const auto* name : {"a", "b/c", "d"})
      for (const auto* type : {"application/one", "application/two"}) {
        const auto index = R"({"schemaVersion":2,"manifests":[],"artifactType":")" + std::string(type) +
                           R"(","subject":{"mediaType":"x","size":1,"digest":")" + subject + R"("}})";
        const auto tag = std::string(type).substr(12);
        const auto put = client.ask("PUT", std::string("/v2/") + name + "/manifests/" + tag,
                                    {{"Content-Type", std::string(oci::oci_index)}}, index);
        SLIPWAY_INVARIANT(put.status == 201);
      }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  Input input(data, size);
  const auto choice = input.number<std::uint8_t>() % 4;
  const std::string paths[] = {"/v2/a/referrers/" + world.subject, "/v2/a/tags/list", "/v2/_catalog", "/v2/token"};
  const auto target = paths[choice] + "?" + std::string(input.rest());
  const auto parsed = http::parse_target(target);
  if (!parsed) return 0;

  const auto answer = world.client.ask("GET", target);
  const auto json = parse_json(answer.body);
  SLIPWAY_INVARIANT(json.has_value());
  if (answer.status == 400) {
    SLIPWAY_INVARIANT(answer.code() == "UNSUPPORTED");
    return 0;
  }
  SLIPWAY_INVARIANT(answer.status == 200);
  if (choice != 0) return 0;
  const auto wanted = parsed->parameter("artifactType").value_or("");
  SLIPWAY_INVARIANT((answer.header("OCI-Filters-Applied") == "artifactType") == !wanted.empty());
  for (const auto& descriptor : (*json)["manifests"])
    SLIPWAY_INVARIANT(wanted.empty() || string_at(descriptor, "artifactType") == wanted);
  return 0;
}
