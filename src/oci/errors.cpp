#include "oci/errors.hpp"

#include "base/log.hpp"

#include <array>

namespace slipway::oci {

static std::string_view name_of(Code code) {
  static constexpr std::array<std::string_view, 14> names = {
      "BLOB_UNKNOWN",          "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
      "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID",    "MANIFEST_UNKNOWN",    "NAME_INVALID",
      "NAME_UNKNOWN",          "SIZE_INVALID",        "UNAUTHORIZED",        "DENIED",
      "UNSUPPORTED",           "TOOMANYREQUESTS"};
  return names[static_cast<std::size_t>(code)];
}

http::Response error_response(int status, Code code, std::string_view message, const Json& detail) {
  Json error{{"code", name_of(code)}, {"message", message}};
  if (!detail.is_null()) error["detail"] = detail;
  // Messages may quote what a client sent, in any bytes.
  return http::Response::json(
      status, Json{{"errors", Json::array({error})}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

http::Response failure_response(const Error& error, Code unknown, const http::Request& request) {
  const auto retry = [](http::Response response) {
    response.headers.add("Retry-After", "5");
    return response;
  };
  switch (error.failure) {
  case Failure::not_found: return error_response(404, unknown, error.message);
  case Failure::conflict: return error_response(409, Code::blob_upload_invalid, error.message);
  case Failure::denied: return error_response(403, Code::denied, error.message);
  case Failure::invalid: return error_response(400, Code::unsupported, error.message);
  case Failure::too_large: return error_response(413, Code::size_invalid, error.message);
  case Failure::out_of_range: return error_response(416, Code::blob_upload_invalid, error.message);
  case Failure::read_only:
    return error_response(405, Code::unsupported,
                          "the registry is read-only now: pulls work, pushes and deletes do not");
  case Failure::busy: return retry(error_response(429, Code::too_many_requests, error.message));
  case Failure::no_space:
    log::error("no space", {{"id", request.id}, {"error", error.message}});
    return retry(error_response(507, Code::denied, "the registry's disk is full; nothing of this request was kept"));
  case Failure::unavailable:
    log::error("not available", {{"id", request.id}, {"error", error.message}});
    return retry(error_response(503, Code::unsupported, "the registry's storage does not answer; try again later"));
  case Failure::corrupt:
  case Failure::io: break;
  }
  log::error("request failed", {{"path", request.target.path()},
                                {"id", request.id},
                                {"failure", name_of(error.failure)},
                                {"error", error.message}});
  return error_response(500, Code::unsupported, "internal error; the server's log has it under request " + request.id);
}

}  // namespace slipway::oci
