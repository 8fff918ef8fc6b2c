#pragma once
// A request's target, taken apart so that nothing encoded in it can escape a name.

#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::http {

/// Decoded names and values.
using Query = std::vector<std::pair<std::string, std::string>>;

/// The path as decoded segments and the query as decoded pairs.
///
/// The path is split at '/' *before* it is percent-decoded, and a segment that decodes to something with '/', '\0', '.'
/// alone or ".." is refused: no encoding can add, remove or climb a level. Empty segments are kept as they are
/// ("/a//b" has three), except that a trailing slash is told by `trailing_slash` and adds none.
struct Target {
  std::vector<std::string> segments;
  bool trailing_slash = false;
  Query query;

  /// The decoded path, for logs and messages.
  std::string path() const;
  /// The first value of a query parameter, if it is there.
  std::optional<std::string> parameter(std::string_view name) const;
  /// All values of a query parameter that may repeat.
  std::vector<std::string> parameters(std::string_view name) const;
};

/// Origin-form ("/v2/?n=1") or absolute-form ("http://host/v2/"); RFC 9112 §3.2. Failure::invalid for anything else, a
/// bad percent escape, or more than 64 query parameters. In the query '+' means '+': registry digests and tags never
/// use form encoding, and package names do contain plus signs.
Result<Target> parse_target(std::string_view raw);

/// %XX decoded; Failure::invalid for a broken escape.
Result<std::string> percent_decode(std::string_view text);

/// Everything but unreserved characters (RFC 3986 §2.3) as %XX.
std::string percent_encode(std::string_view text);
/// The same, but slashes stay.
std::string percent_encode_path(std::string_view path);

}  // namespace slipway::http
