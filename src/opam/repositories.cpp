#include "opam/repositories.hpp"

#include "base/json.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

/// Settings of the catalog: what was added, by place.
constexpr std::string_view added_prefix = "opam:";
constexpr auto tick = std::chrono::seconds(2);
/// What other servers have added is looked for every so many ticks, and downloads are noted.
constexpr unsigned ticks_between_looks = 5;
constexpr std::size_t added_max = 1000;

Result<KeptPlace> parse_added(const std::string& name, std::string_view text, std::chrono::milliseconds usual_poll) {
  TRY_ASSIGN(const auto json, parse_json(text));
  const auto at = name.find('@');
  if (at == name.npos || !json.is_object()) return fail(Failure::invalid, "not an opam repository: " + name);
  const auto poll = json.find("poll_ms");
  KeptPlace out{.place = {.repository = name.substr(0, at),
                          .channel = name.substr(at + 1),
                          .source = {.url = string_at(json, "git"), .branch = string_at(json, "branch")}},
                .poll = poll != json.end() && poll->is_number_unsigned()
                            ? std::chrono::milliseconds(poll->get<std::uint32_t>())
                            : usual_poll};
  TRY(check_source_place(out.place));
  return out;
}

bool same_place(const SourcePlace& a, const SourcePlace& b) {
  return a.repository == b.repository && a.channel == b.channel;
}

}  // namespace

Result<std::unique_ptr<Repositories>> Repositories::open(RepositoriesOptions options, catalog::Catalog& catalog,
                                                         const Clock& clock) {
  for (auto place = options.places.begin(); place != options.places.end(); ++place)
    if (std::any_of(options.places.begin(), place, [&](const auto& other) { return same_place(other, *place); }))
      return fail(Failure::invalid,
                  fmt::format("opam.repositories: {} would be made of two git repositories", place->text()));
  std::unique_ptr<Repositories> out(new Repositories(std::move(options), catalog, clock));
  TRY(out->read_added());
  return out;
}

Repositories::Repositories(RepositoriesOptions options, catalog::Catalog& catalog, const Clock& clock)
    : m_options(std::move(options)), m_catalog(catalog), m_clock(clock),
      m_view(catalog, m_options.repository.directory / "archives") {}

bool Repositories::has(const std::string& repository) {
  const std::shared_lock lock(m_mutex);
  return m_packages.contains(repository);
}

std::vector<KeptPlace> Repositories::places() {
  const std::shared_lock lock(m_mutex);
  return m_places;
}

Result<KeptPlace> Repositories::find(const std::string& repository, const std::string& channel) {
  const SourcePlace wanted{.repository = repository, .channel = channel, .source = {}};
  const std::shared_lock lock(m_mutex);
  const auto found =
      std::ranges::find_if(m_places, [&](const KeptPlace& kept) { return same_place(kept.place, wanted); });
  if (found == m_places.end())
    return fail(Failure::not_found,
                fmt::format("no opam repository is kept as {}; slipway opam ls tells which are", wanted.text()));
  return *found;
}

std::shared_ptr<Repository> Repositories::running(const SourcePlace& place) {
  const std::shared_lock lock(m_mutex);
  const auto found = m_running.find(place.text());
  return found == m_running.end() ? nullptr : found->second;
}

std::shared_ptr<Packages> Repositories::packages(const std::string& repository) {
  const std::shared_lock lock(m_mutex);
  const auto found = m_packages.find(repository);
  return found == m_packages.end() ? nullptr : found->second;
}

// ---- which there are

Result<> Repositories::add(const SourcePlace& place, std::optional<std::chrono::milliseconds> poll) {
  TRY(check_source_place(place));
  TRY(read_added());
  if (const auto known = find(place.repository, place.channel))
    return fail(Failure::conflict, fmt::format("{} is made of {} already: remove that first", place.text(),
                                               upstream::without_password(known->place.source.url)));
  if (places().size() >= added_max) return fail(Failure::busy, "there are 1,000 opam repositories already");
  Json value{{"git", place.source.url}, {"branch", place.source.branch}};
  if (poll) value["poll_ms"] = poll->count();
  // Of two servers that are told of one place at once, one is first.
  TRY_ASSIGN(const auto added, m_catalog.setting_or(std::string(added_prefix) + place.text(), value.dump()));
  if (added != value.dump()) return fail(Failure::conflict, place.text() + " was added meanwhile, of another source");
  TRY(read_added());
  run_all();
  return {};
}

Result<> Repositories::remove(const SourcePlace& place) {
  TRY_ASSIGN(const auto known, find(place.repository, place.channel));
  if (known.is_configured)
    return fail(Failure::denied,
                fmt::format("{} is in the configuration: take it out of opam.repositories there", place.text()));
  TRY(m_catalog.remove_setting(std::string(added_prefix) + place.text()));
  for (const auto& report : reports_of(place)) TRY(m_catalog.remove_report(report));
  TRY(read_added());
  run_all();
  return {};
}

/// What the catalog names besides the configuration, which comes first.
Result<> Repositories::read_added() {
  TRY_ASSIGN(const auto added, m_catalog.settings_below(added_prefix));
  std::vector<KeptPlace> places;
  for (const auto& place : m_options.places)
    places.push_back({.place = place, .poll = m_options.repository.poll, .is_configured = true});
  const auto configured = places.size();
  for (const auto& [name, text] : added) {
    auto kept = parse_added(name, text, m_options.repository.poll);
    if (!kept) {
      log::warn("an opam repository of the catalog cannot be kept", {{"error", kept.error().message}});
      continue;
    }
    const auto in_configuration = std::span(places).first(configured);
    if (std::ranges::none_of(in_configuration, [&](const auto& each) { return same_place(each.place, kept->place); }))
      places.push_back(std::move(*kept));
  }
  const std::unique_lock lock(m_mutex);
  m_places = std::move(places);
  std::erase_if(m_packages, [this](const auto& entry) {
    return std::ranges::none_of(m_places, [&](const auto& kept) { return kept.place.repository == entry.first; });
  });
  for (const auto& kept : m_places)
    if (auto& packages = m_packages[kept.place.repository]; !packages) packages = std::make_shared<Packages>();
  return {};
}

// ---- at work

void Repositories::start(http::Asking registry, publish::Trees& trees) {
  {
    const std::unique_lock lock(m_mutex);
    m_registry = std::move(registry);
    m_trees = &trees;
  }
  run_all();
  m_thread = std::thread([this] { work(); });
}

void Repositories::stop() {
  {
    const std::lock_guard lock(m_wait_mutex);
    m_is_ending = true;
  }
  m_changed.notify_all();
  if (m_thread.joinable()) m_thread.join();
  std::map<std::string, std::shared_ptr<Repository>> ended;
  {
    const std::unique_lock lock(m_mutex);
    m_trees = nullptr;
    ended.swap(m_running);
  }
  for (const auto& [place, repository] : ended) repository->stop();
  ended.clear();
  tally_downloads();
}

/// Those begin that are to be, and those end that are not, or not so.
void Repositories::run_all() {
  std::vector<std::shared_ptr<Repository>> ended;  // without the lock: that may take a moment
  const std::unique_lock lock(m_mutex);
  if (!m_trees) return;
  for (auto each = m_running.begin(); each != m_running.end();) {
    const bool is_wanted = std::ranges::any_of(m_places, [&](const KeptPlace& kept) {
      const auto& place = each->second->place();
      return same_place(kept.place, place) && kept.place.source.url == place.source.url &&
             kept.place.source.branch == place.source.branch && kept.poll == each->second->poll();
    });
    if (is_wanted) {
      ++each;
    } else {
      ended.push_back(std::move(each->second));
      each = m_running.erase(each);
    }
  }
  for (const auto& [place, poll, is_configured] : m_places) {
    auto& running = m_running[place.text()];
    if (running) continue;
    auto options = m_options.repository;
    options.poll = poll;
    running = std::make_shared<Repository>(place, std::move(options), m_catalog, m_clock, *m_trees,
                                           m_packages.at(place.repository), m_registry);
  }
}

void Repositories::work() {
  std::unique_lock lock(m_wait_mutex);
  for (unsigned ticks = 1; !m_changed.wait_for(lock, tick, [this] { return m_is_ending; }); ++ticks) {
    lock.unlock();
    if (ticks % ticks_between_looks == 0) {
      if (const auto read = read_added(); !read)
        log::debug("added opam repositories cannot be read", {{"error", read.error().message}});
      run_all();
      tally_downloads();
    }
    for (const auto& kept : places())
      if (const auto repository = running(kept.place)) repository->tell_sources();
    lock.lock();
  }
}

void Repositories::tally_downloads() {
  for (const auto& [repository, counts] : m_view.take_downloads())
    if (const auto noted = m_catalog.add_tallies(repository, counts); !noted)
      log::debug("downloads cannot be noted", {{"repository", repository}, {"error", noted.error().message}});
}

}  // namespace slipway::opam
