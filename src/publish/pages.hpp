#pragma once
// Which file of a tree answers which path of a site.

#include "publish/trees.hpp"

namespace slipway::publish {

/// What a path comes to, before any rule.
struct Page {
  FoundFile file;          ///< which answers it
  std::string elsewhere;   ///< or the path, beginning with '/', at which it is found
  bool is_folder = false;  ///< or it is a folder without an index
};

/// Of a path that begins with '/', decoded:
///
///   /           index.html
///   /a          the file a; else a.html; else, for a/index.html, or for a folder with a `listed` one, found at /a/
///   /a/         a/index.html; else, for a.html or the file a, found at /a
///
/// The files of rules are not there.
Result<Page> page_of(Trees& trees, const OpenTree& tree, std::string_view path, bool listed);

/// The nearest 404.html: in the path's folder, or one that this lies in.
Result<FoundFile> page_for_missing(Trees& trees, const OpenTree& tree, std::string_view path);

struct FolderEntry {
  std::string name;  ///< a folder's ends in '/'
  std::uint64_t size = 0;
};

struct Folder {
  std::vector<FolderEntry> entries;
  bool more = false;
};

/// Up to `limit` of what is directly in a folder, after the entry `after`: in byte order of the paths. `folder` is ""
/// or ends in '/'. Costs as much as there is to show.
Result<Folder> list_folder(Trees& trees, const OpenTree& tree, const std::string& folder, const std::string& after,
                           std::size_t limit);

}  // namespace slipway::publish
