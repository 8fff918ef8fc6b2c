#include "admin/doctor.hpp"

#include "base/random.hpp"
#include "catalog/keep.hpp"
#include "lifecycle/journal_keeper.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

namespace slipway::admin {
namespace {

constexpr std::uint64_t free_bytes_low = 1U << 30;
constexpr rlim_t descriptors_low = 4096;

class Report {
public:
  void ok(const char* name, const std::string& message) { add(name, "ok", message); }
  void warn(const char* name, const std::string& message) { add(name, "warn", message); }
  void fail(const char* name, const std::string& message) {
    add(name, "fail", message);
    m_healthy = false;
  }
  void from(const char* name, const Result<std::string>& result) {
    if (result)
      ok(name, *result);
    else
      fail(name, result.error().message);
  }
  Json json() const { return {{"checks", m_checks}, {"healthy", m_healthy}}; }

private:
  void add(const char* name, const char* state, const std::string& message) {
    m_checks.push_back({{"name", name}, {"state", state}, {"message", message}});
  }
  Json m_checks = Json::array();
  bool m_healthy = true;
};

void check_directory(const Instance& instance, Report& report) {
  const auto path = instance.data.string();
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0)
    return report.fail("data directory", path + " is not readable and writable by this user");
  report.ok("data directory", path);
}

void check_space(Instance& instance, Report& report) {
  const auto space = instance.store.space();
  if (!space) return report.fail("free space", space.error().message);
  const auto text = fmt::format("{} of {} free", human_size(space->free_bytes), human_size(space->total_bytes));
  if (const auto room = instance.store.expect_room(); !room) return report.fail("free space", room.error().message);
  const bool low = space->free_bytes < free_bytes_low || space->free_bytes < space->total_bytes / 50;
  if (low)
    report.warn("free space", text + ": make room before pushes fail");
  else
    report.ok("free space", text);
}

void check_clock(Instance& instance, Report& report) {
  const auto now = instance.clock.now();
  const auto latest = instance.catalog.latest_change();
  if (!latest) return report.fail("clock", latest.error().message);
  if (*latest > now + std::chrono::minutes(1))
    return report.fail("clock", "now is " + rfc3339(now) + ", but the catalog was last changed at " + rfc3339(*latest) +
                                    ": set the clock right");
  report.ok("clock", rfc3339(now));
}

void check_limits(Report& report) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto text = fmt::format("{} open files allowed", limit.rlim_cur);
  if (limit.rlim_cur < descriptors_low)
    report.warn("limits", text + ": raise it (ulimit -n, LimitNOFILE=) to at least 4096");
  else
    report.ok("limits", text);
}

void check_schema(Instance& instance, Report& report) {
  const auto version = instance.catalog.schema_version();
  if (!version) return report.fail("schema", version.error().message);
  report.ok("schema", fmt::format("version {}", *version));
}

/// Whoever keeps the catalog keeps it well, as far as they say so.
void check_database(Instance& instance, Report& report) {
  const auto risks = instance.catalog.risks();
  if (!risks) return report.fail("database", risks.error().message);
  for (const auto& risk : *risks) report.warn("database", risk);
  if (risks->empty()) report.ok("database", "what it calls committed is on its disk");
}

void check_pairing(Instance& instance, Report& report) {
  const auto store = instance.store.identity();
  const auto catalog = instance.catalog.setting("store_id");
  if (!store) return report.fail("store", store.error().message);
  if (!catalog) return report.fail("store", catalog.error().message);
  if (*catalog && **catalog != *store)
    return report.fail("store", "the catalog belongs to store " + **catalog + ", this is store " + *store +
                                    ": put the matching pair back");
  report.ok("store", *store);
}

/// The journal is whole and not far behind. Other generations may know what the catalog does not: nobody removes them
/// but the administrator, with `remove_others`.
Result<std::string> check_journal(Instance& instance, bool remove_others) {
  constexpr std::int64_t far_behind = 100'000;             // changes; some seconds of the fastest pushes
  TRY_ASSIGN(const auto state, instance.journal.state());  // first: what it says is in the store, is listed then
  TRY_ASSIGN(const auto objects, instance.journal_objects.list());
  TRY_ASSIGN(const auto newest, instance.journal.newest());
  const auto survey = lifecycle::survey_journal(objects);
  const auto own = survey.generations.find(state ? state->generation : "");
  if (own == survey.generations.end()) {
    const auto is_known = [&](const auto& object) {
      return state && !state->superseded.empty() && object.name.starts_with(state->superseded + ".");
    };
    if (remove_others && !std::ranges::all_of(objects, is_known))
      return fail(Failure::conflict, "none of this catalog, but of others, which may know what it does not: 'slipway "
                                     "rebuild --journal NAME' reads them");
    return fmt::format("none of this catalog yet: a server writes it while it runs; {} objects of others",
                       objects.size());
  }
  const auto& chain = own->second;
  bool is_older = chain.reach() > newest;
  if (remove_others && !is_older) {  // no server works on it: what is read stands still
    TRY_ASSIGN(is_older, lifecycle::is_other_future(chain, *state, instance.journal, instance.journal_objects));
  }
  if (is_older)
    return fail(Failure::conflict, "the catalog is older than generation " + own->first +
                                       ": 'slipway rebuild' makes one that knows what was changed since");
  if (chain.reach() < state->finished)
    return fail(Failure::corrupt,
                "generation " + own->first + " is not whole: the server begins another at its next start");
  std::vector<std::string> others;
  for (const auto& object : objects)
    if (!object.name.starts_with(own->first + ".")) others.push_back(object.name);
  auto text = fmt::format("generation {}, {} in {} objects, {} changes behind", own->first, human_size(chain.size()),
                          chain.stretches.size(), newest - chain.reach());
  if (newest - chain.reach() > far_behind) return fail(Failure::busy, text + ": the server's log says why");
  if (remove_others)
    for (const auto& name : others) TRY(instance.journal_objects.remove(name));
  if (!others.empty())
    text += remove_others
                ? fmt::format("; {} objects of others were removed", others.size())
                : fmt::format("; {} objects of others ('slipway rebuild --journal NAME' reads them)", others.size());
  return text;
}

/// Writes, reads and removes a small location, as an upload would.
Result<std::string> round_trip(Instance& instance) {
  const auto text = random_hex(512);
  TRY_ASSIGN(const auto id, instance.catalog.next_location());
  TRY_ASSIGN(const auto upload, instance.store.begin(id, false));
  TRY(upload->write(as_bytes(text)));
  TRY_ASSIGN(const auto location, upload->finish());
  TRY_ASSIGN(const auto slice, instance.store.open(location, {0, text.size()}));
  std::vector<std::byte> back(text.size());
  TRY_ASSIGN(const auto n, read_some(slice, back, 0));
  // As what no row ever had, which may be removed while the store is copied.
  TRY(instance.store.remove({.id = id, .kind = blob::LocationKind::upload, .key = {}, .range = {}}));
  if (n != text.size() || as_text(back) != text) return fail(Failure::corrupt, "what was read is not what was written");
  return fmt::format("wrote, read and removed {} bytes", text.size());
}

/// A blob that moved, or went, since its row was read is not lost.
bool is_lost(Instance& instance, const catalog::StoredBlob& blob, const Digest& digest) {
  if (catalog::is_whole(instance.store, blob, digest)) return false;
  const auto now = instance.catalog.find_blob_anywhere(digest);
  return now ? !catalog::is_whole(instance.store, *now, digest) : now.error().failure != Failure::not_found;
}

/// Every location has its bytes, as many as it should; every object of the store is known, or removed with
/// `remove_unknown`.
Result<std::string> compare_store(Instance& instance, bool remove_unknown) {
  constexpr std::size_t page = 1000;
  std::uint64_t unknown = 0;
  std::uint64_t unknown_bytes = 0;
  std::vector<blob::Location> objects;
  Result<> problem;
  // An object is looked up after it was seen: what is pushed meanwhile has its row by then, but for the very last.
  const auto look_up = [&] {
    const auto found = instance.catalog.unknown(objects);
    if (!found) problem = std::unexpected(found.error());
    for (const auto& object : found.value_or(std::vector<blob::Location>())) {
      ++unknown;
      unknown_bytes += object.range.length;
      if (auto removed = remove_unknown ? instance.store.remove(object) : Result<>(); !removed) problem = removed;
    }
    objects.clear();
  };
  TRY(instance.store.list([&](const blob::Location& object) {
    objects.push_back(object);
    if (objects.size() == page) look_up();
  }));
  look_up();
  TRY(problem);
  std::uint64_t lost = 0;
  TRY(instance.catalog.for_each_location([&](const catalog::StoredBlob& blob, const Digest& digest) -> Result<> {
    if (is_lost(instance, blob, digest)) ++lost;
    return {};
  }));
  if (lost > 0)
    return fail(Failure::corrupt, fmt::format("{} blobs have lost their bytes; pushing them again heals them", lost));
  return fmt::format("every blob has its bytes; {} files ({}) are known to no row{}", unknown,
                     human_size(unknown_bytes), remove_unknown ? " and were removed" : "");
}

}  // namespace

Result<Json> run_doctor(Instance& instance, const Parameters& parameters, const std::string&) {
  const bool remove_unknown = parameters.contains("remove_unknown");
  if (remove_unknown && !parameters.contains("deep"))
    return fail(Failure::invalid, "--remove-unknown goes with --deep, which finds what is unknown");
  if (remove_unknown && !instance.urls.empty())
    return fail(Failure::invalid, "stop the server first, and give --data: what is being pushed is unknown as well");
  Report report;
  check_directory(instance, report);
  check_space(instance, report);
  check_clock(instance, report);
  check_limits(report);
  check_schema(instance, report);
  if (instance.catalog.is_shared()) check_database(instance, report);
  check_pairing(instance, report);
  if (instance.catalog.is_read_only())
    report.warn("round trip", "skipped: read-only mode");
  else
    report.from("round trip", round_trip(instance));
  const auto journal = check_journal(instance, remove_unknown);
  report.from("journal", journal);
  if (parameters.contains("deep")) report.from("store contents", compare_store(instance, remove_unknown && journal));
  if (remove_unknown && !journal)
    report.fail("remove unknown", "nothing was removed: a catalog made of the journal may know it");
  const auto unreachable = instance.catalog.unreachable();
  if (!unreachable) return std::unexpected(unreachable.error());
  auto out = report.json();
  out["unreachable"] = {{"blobs", unreachable->blobs},
                        {"blob_bytes", unreachable->blob_bytes},
                        {"manifests", unreachable->manifests},
                        {"manifest_bytes", unreachable->manifest_bytes}};
  return out;
}

}  // namespace slipway::admin
