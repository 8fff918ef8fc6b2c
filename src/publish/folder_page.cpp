#include "publish/folder_page.hpp"

#include "base/bytes.hpp"
#include "http/target.hpp"

#include <fmt/format.h>

namespace slipway::publish {

static std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
    case '&': out += "&amp;"; break;
    case '<': out += "&lt;"; break;
    case '>': out += "&gt;"; break;
    case '"': out += "&quot;"; break;
    default: out += c;
    }
  }
  return out;
}

std::string folder_page(const std::string& path, bool has_parent, const Folder& folder) {
  std::string rows = has_parent ? "<li><a href=\"../\">../</a>\n" : "";
  for (const auto& [name, size] : folder.entries)
    rows += fmt::format("<li><a href=\"./{}\">{}</a>{}\n", http::percent_encode_path(name), escaped(name),
                        name.ends_with('/') ? "" : " <small>" + human_size(size) + "</small>");
  if (folder.more)
    rows += fmt::format("<li><a href=\"?after={}\">more</a>\n", http::percent_encode_path(folder.entries.back().name));
  return fmt::format("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width\">\n"
                     "<title>{0}</title>\n<h1>{0}</h1>\n<ul>\n{1}</ul>\n</html>\n",
                     escaped(path), rows);
}

}  // namespace slipway::publish
