#include "cli/tree_place.hpp"

#include "base/digest.hpp"
#include "oci/names.hpp"
#include "publish/channels.hpp"

namespace slipway::cli {

Result<TreePlace> parse_tree_place(const std::string& text) {
  const auto at = text.find('@');
  TreePlace out{.repository = text.substr(0, at), .reference = publish::live_channel};
  if (at != text.npos) out.reference = text.substr(at + 1);
  if (!oci::is_repository_name(out.repository))
    return fail(Failure::invalid, "'" + out.repository +
                                      "' is no name of a repository: lower-case letters, digits and "
                                      "single separators (. _ __ -), in parts divided by '/'");
  if (!oci::is_tag(out.reference) && !Digest::parse(out.reference))
    return fail(Failure::invalid, "'" + out.reference + "' is neither a channel nor a snapshot's digest");
  return out;
}

Result<TreePlace> parse_channel_place(const std::string& text) {
  TRY_ASSIGN(auto out, parse_tree_place(text));
  if (!oci::is_tag(out.reference))
    return fail(Failure::invalid, "'" + out.reference + "' is a snapshot: name the channel that is to be moved");
  return out;
}

}  // namespace slipway::cli
