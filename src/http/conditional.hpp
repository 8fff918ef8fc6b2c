#pragma once
// Which of a resource's representations a GET or HEAD gets, and whether it has it already: RFC 9110 §8.8, §12.5.3, §13.

#include "base/clock.hpp"
#include "http/message.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace slipway::http {

/// What tells a representation from others.
struct Validators {
  std::string etag;  ///< strong, with its quotation marks
  std::optional<Timestamp> modified;
};

/// Adds ETag and Last-Modified.
void add_validators(Headers& headers, const Validators& validators);

enum class Precondition { proceed, not_modified, failed };
/// RFC 9110 §13.2.2, for GET and HEAD. A date counts only if it is exactly ours: content may go back to what it was.
Precondition check_preconditions(const Headers& request, const Validators& validators);

/// The same for a request that changes something, by If-Match and If-None-Match alone: whether what it finds may be
/// changed. `etag` is empty where there is nothing yet.
bool may_change(const Headers& request, const std::string& etag);
/// A request asks that.
bool has_write_condition(const Headers& request);

/// The Range field, unless an If-Range says that it is about another representation (RFC 9110 §13.1.5).
std::string_view applicable_range(const Headers& request, const Validators& validators);

/// Which of `offered` codings, in the server's order of preference, a client takes best by its Accept-Encoding
/// (RFC 9110 §12.5.3): an index, or nothing where it is to get the content as it is.
std::optional<std::size_t> choose_coding(std::string_view accept_encoding, std::span<const std::string_view> offered);

}  // namespace slipway::http
