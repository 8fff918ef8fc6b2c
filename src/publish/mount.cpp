#include "publish/mount.hpp"

#include "base/text.hpp"
#include "oci/names.hpp"
#include "publish/channels.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sstream>

namespace slipway::publish {
namespace {

constexpr std::array<std::string_view, 6> reserved = {"api", "cas", "healthz", "metrics", "readyz", "v2"};

bool is_host(std::string_view host) {
  return host.size() <= 255 && std::ranges::all_of(host, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

Result<> check_mount_path(std::string_view path) {
  if (path.find("//") != path.npos || path.find_first_of("?#%@\\ ") != path.npos)
    return fail(Failure::invalid, fmt::format("'{}' is not a path such as /docs", printable(path)));
  const auto first = path.substr(1, path.find('/', 1) - 1);
  if (is_reserved_part(first))
    return fail(Failure::invalid, fmt::format("/{} is the server's own: a site needs another path", first));
  return {};
}

}  // namespace

bool is_reserved_part(std::string_view first_part) { return std::ranges::count(reserved, first_part) > 0; }

Result<Mount> parse_mount(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string address, name, option, more;
  words >> address >> name >> option >> more;
  const auto slash = address.find('/');
  if (slash == address.npos || name.empty() || !more.empty())
    return fail(Failure::invalid, "expected \"HOST/PATH REPOSITORY@CHANNEL\", such as \"/docs team/docs\" or "
                                  "\"docs.example.org/ docs@live listing\"");
  const auto at = name.find('@');
  Mount out{.host = in_small_letters(address.substr(0, slash)),
            .path = address.substr(slash),
            .repository = name.substr(0, at),
            .channel = at == name.npos ? live_channel : name.substr(at + 1),
            .listing = option == "listing"};
  if (!is_host(out.host))
    return fail(Failure::invalid, fmt::format("'{}' is not a host's name, without a port", printable(out.host)));
  TRY(check_mount_path(out.path));
  if (out.path.size() > 1 && out.path.ends_with('/')) out.path.pop_back();
  if (!oci::is_repository_name(out.repository))
    return fail(Failure::invalid, fmt::format("'{}' is not a repository's name", printable(out.repository)));
  if (!oci::is_tag(out.channel))
    return fail(Failure::invalid, fmt::format("'{}' is not a channel's name", printable(out.channel)));
  if (!option.empty() && !out.listing)
    return fail(Failure::invalid, fmt::format("'{}' is no option of a site; 'listing' is", printable(option)));
  return out;
}

}  // namespace slipway::publish
