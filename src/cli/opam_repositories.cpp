#include "cli/opam_repositories.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::cli {

http::Asking ask_registry(oci::Registry& registry, std::string who) {
  return [&registry, who = std::move(who)](const http::ClientRequest& request) {
    return http::ask(
        [&](http::Request& incoming) {
          return registry.handle_as(incoming, {.name = who, .anonymous = false, .admin = true});
        },
        request);
  };
}

Result<std::unique_ptr<OpamRepositories>>
OpamRepositories::open(const Config& config, const std::filesystem::path& data, catalog::Catalog& catalog) {
  std::vector<opam::SourcePlace> places;
  for (const auto& text : config.opam_repositories) {
    TRY_ASSIGN(auto place, opam::parse_source_place(text));
    for (const auto& other : places)
      if (other.repository == place.repository && other.channel == place.channel)
        return fail(Failure::invalid, fmt::format("opam.repositories: {}@{} would be made of two git repositories",
                                                  place.repository, place.channel));
    places.push_back(std::move(place));
  }
  return std::unique_ptr<OpamRepositories>(
      new OpamRepositories(std::move(places), config.opam_poll, data / "opam", catalog));
}

publish::View* OpamRepositories::view_of(const std::string& repository) {
  return std::ranges::find(m_places, repository, &opam::SourcePlace::repository) == m_places.end() ? nullptr : &m_view;
}

void OpamRepositories::start(oci::Registry& registry) {
  for (const auto& place : m_places) {
    // A name of a repository is no name of a folder: it has slashes.
    const auto folder = to_hex(digest_of(as_bytes(place.repository + "@" + place.channel)).value().first(8)) + ".git";
    m_watchers.push_back(
        std::make_unique<opam::Watcher>(opam::WatcherOptions{.place = place,
                                                             .interval = m_interval,
                                                             .directory = m_folder / "clones" / folder,
                                                             .is_ours = [this] { return m_lease.hold(); }},
                                        ask_registry(registry, "opam")));
  }
}

}  // namespace slipway::cli
