#include "cli/opam_repositories.hpp"

#include "base/version.hpp"

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
  return std::unique_ptr<OpamRepositories>(new OpamRepositories(std::move(places), config, data / "opam", catalog));
}

publish::View* OpamRepositories::view_of(const std::string& repository) {
  return std::ranges::find(m_places, repository, &opam::SourcePlace::repository) == m_places.end() ? nullptr : &m_view;
}

void OpamRepositories::start(oci::Registry& registry, publish::Trees& trees) {
  for (const auto& place : m_places) m_running.push_back(std::make_unique<Running>(place, *this, registry, trees));
}

OpamRepositories::Running::Running(const opam::SourcePlace& kept, OpamRepositories& all, oci::Registry& registry,
                                   publish::Trees& opened)
    : place(kept), catalog(all.m_catalog), trees(opened),
      client(ask_registry(registry, "opam"),
             {.url = "this server", .repository = kept.repository, .authorization = {}, .ca_file = {}}),
      sources(
          {catalog, client, all.m_folder / "spool"},
          {.download = {.may_be_private = all.m_private_sources, .user_agent = "slipway/" + std::string(version())}}),
      watcher(
          {.place = kept,
           .interval = all.m_interval,
           // A name of a repository is no name of a folder: it has slashes.
           .directory = all.m_folder / "clones" /
                        (to_hex(digest_of(as_bytes(kept.repository + "@" + kept.channel)).value().first(8)) + ".git"),
           .is_ours = [&all] { return all.m_lease.hold(); },
           .withdrawn = [this] { return withdrawn(); },
           .on_published = [this](const Digest& snapshot) { return look_for_sources(snapshot); }},
          ask_registry(registry, "opam")) {}

Result<> OpamRepositories::Running::look_for_sources(const Digest& snapshot) {
  TRY_ASSIGN(const auto index, catalog.find_manifest(place.repository, snapshot));
  TRY_ASSIGN(const auto tree, trees.open(place.repository, index));
  TRY_ASSIGN(const auto list, packages.read(trees, *tree));
  return sources.want(opam::sources_of(list));
}

/// As WatcherOptions has it.
Result<std::string> OpamRepositories::Running::withdrawn() {
  TRY_ASSIGN(const auto moves, catalog.tag_history(place.repository, place.channel, 1));
  if (moves.empty() || moves[0].event != catalog::TagEvent::rollback || !moves[0].from) return std::string();
  TRY_ASSIGN(const auto digest, Digest::parse(*moves[0].from));
  const auto index = catalog.find_manifest(place.repository, digest);
  if (!index && index.error().failure == Failure::not_found) return std::string();
  if (!index) return std::unexpected(index.error());
  TRY_ASSIGN(const auto snapshot, publish::parse_index(*index->bytes));
  const auto commit = snapshot.annotations.find(opam::commit_annotation);
  return commit == snapshot.annotations.end() ? std::string() : commit->second;
}

}  // namespace slipway::cli
