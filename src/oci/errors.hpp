#pragma once
// Error answers of the distribution spec ("Error Codes"): {"errors":[{"code","message","detail"}]}.

#include "base/json.hpp"
#include "http/message.hpp"

namespace slipway::oci {

/// The spec's codes; nothing else may be sent.
enum class Code {
  blob_unknown,
  blob_upload_invalid,
  blob_upload_unknown,
  digest_invalid,
  manifest_blob_unknown,
  manifest_invalid,
  manifest_unknown,
  name_invalid,
  name_unknown,
  size_invalid,
  unauthorized,
  denied,
  unsupported,
  too_many_requests,
};

http::Response error_response(int status, Code code, std::string_view message, const Json& detail = nullptr);

/// The answer to a failure of the catalog or the store: 404 with `unknown` for not_found, 507 for a full disk, 503 for
/// what may pass, 500 for the rest, which is logged and not shown.
http::Response failure_response(const Error& error, Code unknown, const http::Request& request);

}  // namespace slipway::oci
