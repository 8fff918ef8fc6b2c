#include "opam/source_place.hpp"

#include "base/text.hpp"
#include "oci/names.hpp"
#include "publish/channels.hpp"

#include <fmt/format.h>
#include <sstream>

namespace slipway::opam {

Result<SourcePlace> parse_source_place(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string name, url, more;
  words >> name >> url >> more;
  if (url.empty() || !more.empty())
    return fail(Failure::invalid,
                "expected \"REPOSITORY GIT-URL\", such as \"opam https://github.com/ocaml/opam-repository\" or "
                "\"team/opam@staging /srv/git/packages#main\"");
  const auto at = name.find('@');
  const auto hash = url.find('#');
  SourcePlace out{.repository = name.substr(0, at),
                  .channel = at == name.npos ? publish::live_channel : name.substr(at + 1),
                  .source = {.url = url.substr(0, hash), .branch = hash == url.npos ? "" : url.substr(hash + 1)}};
  TRY(check_source_place(out));
  return out;
}

Result<> check_source_place(const SourcePlace& place) {
  if (!oci::is_repository_name(place.repository))
    return fail(Failure::invalid, fmt::format("'{}' is not a repository's name", printable(place.repository)));
  if (!oci::is_tag(place.channel))
    return fail(Failure::invalid, fmt::format("'{}' is not a channel's name", printable(place.channel)));
  return upstream::check_git_source(place.source);
}

}  // namespace slipway::opam
