#include "publish/pages.hpp"

namespace slipway::publish {
namespace {

constexpr const char* index_name = "index.html";

bool is_rules(std::string_view path) { return path == redirects_name || path == headers_name; }

Result<FoundFile> find_served(Trees& trees, const OpenTree& tree, const std::string& path) {
  if (is_rules(path)) return FoundFile{};
  return trees.find(tree, path);
}

Result<bool> has_file_below(Trees& trees, const OpenTree& tree, const std::string& folder) {
  TRY_ASSIGN(const auto first, trees.find_from(tree, folder));
  return first && first.file->path.starts_with(folder);
}

/// `folder` is "" or ends in '/'.
Result<Page> page_of_folder(Trees& trees, const OpenTree& tree, const std::string& folder) {
  TRY_ASSIGN(auto index, find_served(trees, tree, folder + index_name));
  if (index) return Page{.file = std::move(index), .elsewhere = {}};
  if (!folder.empty()) {
    const auto name = folder.substr(0, folder.size() - 1);
    for (const auto& path : {name + ".html", name}) {
      TRY_ASSIGN(const auto found, find_served(trees, tree, path));
      if (found) return Page{.file = {}, .elsewhere = "/" + name};
    }
  }
  TRY_ASSIGN(const auto is_folder, has_file_below(trees, tree, folder));
  return Page{.file = {}, .elsewhere = {}, .is_folder = is_folder};
}

Result<Page> page_of_name(Trees& trees, const OpenTree& tree, const std::string& name, bool listed) {
  for (const auto& path : {name, name + ".html"}) {
    TRY_ASSIGN(auto found, find_served(trees, tree, path));
    if (found) return Page{.file = std::move(found), .elsewhere = {}};
  }
  TRY_ASSIGN(const auto index, find_served(trees, tree, name + "/" + index_name));
  auto is_folder = index ? Result<bool>(true) : Result<bool>(false);
  if (!index && listed) is_folder = has_file_below(trees, tree, name + "/");
  if (!is_folder) return std::unexpected(is_folder.error());
  return Page{.file = {}, .elsewhere = *is_folder ? "/" + name + "/" : ""};
}

}  // namespace

Result<Page> page_of(Trees& trees, const OpenTree& tree, std::string_view path, bool listed) {
  const std::string name(path.substr(1));
  return name.empty() || name.ends_with('/') ? page_of_folder(trees, tree, name)
                                             : page_of_name(trees, tree, name, listed);
}

Result<FoundFile> page_for_missing(Trees& trees, const OpenTree& tree, std::string_view path) {
  std::string folder(path.substr(1));
  for (;;) {
    const auto slash = folder.rfind('/');
    folder.resize(slash == folder.npos ? 0 : slash + 1);
    TRY_ASSIGN(auto found, trees.find(tree, folder + "404.html"));
    if (found || folder.empty()) return found;
    folder.pop_back();
  }
}

Result<Folder> list_folder(Trees& trees, const OpenTree& tree, const std::string& folder, const std::string& after,
                           std::size_t limit) {
  constexpr char after_slash = '/' + 1;
  const auto past = [&](const std::string& name) {  // the first path that is not that entry, nor in it
    return name.ends_with('/') ? folder + name.substr(0, name.size() - 1) + after_slash : folder + name + '\0';
  };
  Folder out;
  for (auto from = after.empty() ? folder : past(after);;) {
    TRY_ASSIGN(const auto found, trees.find_from(tree, from));
    if (!found || !found.file->path.starts_with(folder)) return out;
    const auto rest = std::string_view(found.file->path).substr(folder.size());
    const auto slash = rest.find('/');
    const bool is_folder = slash != rest.npos;
    const std::string name(rest.substr(0, is_folder ? slash + 1 : rest.size()));
    from = past(name);
    if (folder.empty() && is_rules(name)) continue;
    if (out.entries.size() == limit) {
      out.more = true;
      return out;
    }
    out.entries.push_back({name, is_folder ? 0 : found.file->size});
  }
}

}  // namespace slipway::publish
