#include "moving/docker_registry.hpp"

#include "oci/names.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

namespace slipway::moving {
namespace {

constexpr std::size_t link_bytes_max = 256;  // the longest digest has 135

/// From where a tree may begin to its "v2".
constexpr std::array<std::string_view, 4> ways = {"docker/registry/v2/", "registry/v2/", "v2/", ""};

/// Foreign names go into messages.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, 200));
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

/// What stands for a digest in a path: two folders, the algorithm and the hexadecimal value.
std::string folder_of(const Digest& digest) {
  auto text = digest.text();
  text[text.find(':')] = '/';
  return text;
}

Result<bool> has_folder(SourceTree& tree, const std::string& parent, std::string_view name) {
  bool found = false;
  // The rest of a page that is at hand costs nothing, so that no error need end it.
  TRY(tree.folders(parent, [&](const SourceTree::Folder& folder) -> Result<> {
    found = found || folder.name == name;
    return {};
  }));
  return found;
}

}  // namespace

Result<DockerRegistry> DockerRegistry::open(SourceTree& tree) {
  for (const auto way : ways) {
    const auto parent = std::string(way.substr(0, way.empty() ? 0 : way.size() - 1));
    TRY_ASSIGN(const bool found, has_folder(tree, parent, "repositories"));
    if (found) return DockerRegistry(tree, std::string(way));
  }
  return fail(Failure::not_found, "this is no storage of a docker-registry: it has no docker/registry/v2/repositories. "
                                  "Give the directory that its configuration calls rootdirectory, or its bucket");
}

std::string DockerRegistry::data_path(const Digest& digest) const {
  const auto hex = to_hex(digest.value());
  return fmt::format("{}blobs/{}/{}/{}/data", m_root, name_of(digest.algorithm()), hex.substr(0, 2), hex);
}

// ---- what there is

Result<> DockerRegistry::repositories(const std::function<Result<>(const std::string&)>& each, const Told& told) {
  std::vector<std::string> waiting{""};  // folders to be looked into, those of one level at a time on each level
  while (!waiting.empty()) {
    const auto path = std::move(waiting.back());
    waiting.pop_back();
    bool is_repository = false;
    TRY(m_tree->folders(path.empty() ? m_root + "repositories" : repository_path(path),
                        [&](const SourceTree::Folder& folder) -> Result<> {
                          is_repository = is_repository || folder.name == "_manifests" || folder.name == "_layers";
                          if (folder.name.starts_with('_'))
                            return {};  // the registry's own: no name of a repository begins so
                          auto name = path.empty() ? folder.name : path + "/" + folder.name;
                          if (folder.is_link)
                            told("'" + shown(name) +
                                 "' is a symbolic link, which is not followed: name the repository to import it");
                          else if (!oci::is_repository_name(name))
                            told("'" + shown(name) + "' is no name of a repository");
                          else
                            waiting.push_back(std::move(name));
                          return {};
                        }));
    if (is_repository && !path.empty()) TRY(each(path));
  }
  return {};
}

Result<bool> DockerRegistry::has_repository(const std::string& name) {
  bool found = false;
  TRY(m_tree->folders(repository_path(name), [&](const SourceTree::Folder& folder) -> Result<> {
    found = found || folder.name == "_manifests" || folder.name == "_layers";
    return {};
  }));
  return found;
}

Result<> DockerRegistry::digests(const std::string& folder, const std::function<Result<>(const Digest&)>& each,
                                 const Told& told) {
  std::vector<std::string> algorithms;
  TRY(m_tree->folders(folder, [&](const SourceTree::Folder& algorithm) -> Result<> {
    if (algorithm_named(algorithm.name))
      algorithms.push_back(algorithm.name);
    else
      told(fmt::format("{}/{}: no digest known here is made so", folder, shown(algorithm.name)));
    return {};
  }));
  std::ranges::sort(algorithms, std::greater());
  for (const auto& algorithm : algorithms)
    TRY(m_tree->folders(folder + "/" + algorithm, [&](const SourceTree::Folder& value) -> Result<> {
      const auto digest = Digest::parse(algorithm + ":" + value.name);
      if (digest) return each(*digest);
      told(fmt::format("{}/{}/{}: this is no digest", folder, algorithm, shown(value.name)));
      return {};
    }));
  return {};
}

Result<> DockerRegistry::layers(const std::string& repository, const std::function<Result<>(const Digest&)>& each,
                                const Told& told) {
  return digests(repository_path(repository) + "/_layers", each, told);
}

Result<> DockerRegistry::manifests(const std::string& repository, const std::function<Result<>(const Digest&)>& each,
                                   const Told& told) {
  return digests(repository_path(repository) + "/_manifests/revisions", each, told);
}

Result<> DockerRegistry::tags(const std::string& repository, const std::function<Result<>(const std::string&)>& each,
                              const Told& told) {
  return m_tree->folders(
      repository_path(repository) + "/_manifests/tags", [&](const SourceTree::Folder& folder) -> Result<> {
        if (oci::is_tag(folder.name)) return each(folder.name);
        told(fmt::format("'{}' in repository '{}' is no name of a tag", shown(folder.name), repository));
        return {};
      });
}

// ---- where a link leads

Result<Digest> DockerRegistry::link(const std::string& folder) {
  const auto file = folder + "/link";
  TRY_ASSIGN(const auto text, m_tree->read(file, link_bytes_max));
  const auto digest = Digest::parse(text);
  if (!digest) return fail(Failure::corrupt, file + (text.empty() ? " is empty" : " is not a digest"));
  return *digest;
}

Result<Digest> DockerRegistry::layer(const std::string& repository, const Digest& name) {
  return link(repository_path(repository) + "/_layers/" + folder_of(name));
}

Result<Digest> DockerRegistry::manifest(const std::string& repository, const Digest& name) {
  return link(repository_path(repository) + "/_manifests/revisions/" + folder_of(name));
}

Result<Digest> DockerRegistry::tag(const std::string& repository, const std::string& tag) {
  return link(repository_path(repository) + "/_manifests/tags/" + tag + "/current");
}

}  // namespace slipway::moving
