#include "oci/errors.hpp"

#include "base/log.hpp"

#include <gtest/gtest.h>
#include <set>

namespace slipway::oci {
namespace {

// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
const std::set<std::string> codes_of_the_specification = {
    "BLOB_UNKNOWN",          "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID",    "MANIFEST_UNKNOWN",    "NAME_INVALID",
    "NAME_UNKNOWN",          "SIZE_INVALID",        "UNAUTHORIZED",        "DENIED",
    "UNSUPPORTED",           "TOOMANYREQUESTS"};

/// The one error of an answer's body.
Json error_of(const http::Response& response) {
  const auto json = parse_json(std::get<std::string>(response.body));
  EXPECT_TRUE(json);
  EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
  EXPECT_EQ((*json)["errors"].size(), 1U);
  return (*json)["errors"][0];
}

TEST(ErrorResponse, SaysEveryCodeAsTheSpecificationDoes) {
  std::set<std::string> seen;
  for (int code = 0; code <= static_cast<int>(Code::too_many_requests); ++code)
    seen.insert(error_of(error_response(400, static_cast<Code>(code), "x"))["code"]);
  EXPECT_EQ(seen, codes_of_the_specification);
}

TEST(ErrorResponse, CarriesMessageAndDetail) {
  const auto response = error_response(404, Code::blob_unknown, "gone", {{"missing", {"a"}}});
  EXPECT_EQ(response.status, 404);
  const auto error = error_of(response);
  EXPECT_EQ(error["message"], "gone");
  EXPECT_EQ(error["detail"]["missing"][0], "a");
  EXPECT_FALSE(error_of(error_response(404, Code::blob_unknown, "gone")).contains("detail"));
}

TEST(ErrorResponse, StaysJsonWhateverItQuotes) {
  EXPECT_EQ(error_of(error_response(400, Code::name_invalid, "'\"\n\x01'"))["message"], "'\"\n\x01'");
  EXPECT_TRUE(error_of(error_response(400, Code::name_invalid, "\xff\xfe"))["message"].is_string());
}

TEST(FailureResponse, GivesEachFailureItsStatus) {
  log::set_level(log::Level::off);
  http::Request request;
  request.id = "id-1";
  struct Row {
    Failure failure;
    int status;
    const char* code;
  };
  for (const auto& [failure, status, code] :
       {Row{Failure::not_found, 404, "BLOB_UNKNOWN"}, Row{Failure::conflict, 409, "BLOB_UPLOAD_INVALID"},
        Row{Failure::denied, 403, "DENIED"}, Row{Failure::too_large, 413, "SIZE_INVALID"},
        Row{Failure::read_only, 405, "UNSUPPORTED"}, Row{Failure::busy, 429, "TOOMANYREQUESTS"},
        Row{Failure::no_space, 507, "DENIED"}, Row{Failure::io, 500, "UNSUPPORTED"},
        Row{Failure::corrupt, 500, "UNSUPPORTED"}, Row{Failure::out_of_range, 416, "BLOB_UPLOAD_INVALID"},
        Row{Failure::invalid, 400, "UNSUPPORTED"}}) {
    const auto response = failure_response({failure, "the disk at /srv/secret"}, Code::blob_unknown, request);
    EXPECT_EQ(response.status, status) << name_of(failure);
    EXPECT_EQ(error_of(response)["code"], code) << name_of(failure);
  }
  log::set_level(log::Level::info);
}

TEST(FailureResponse, ShowsNobodyWhatWentWrongInside) {
  log::set_level(log::Level::off);
  http::Request request;
  request.id = "id-1";
  for (const auto failure : {Failure::io, Failure::corrupt, Failure::no_space}) {
    const auto response = failure_response({failure, "the disk at /srv/secret"}, Code::blob_unknown, request);
    EXPECT_EQ(std::get<std::string>(response.body).find("secret"), std::string::npos) << name_of(failure);
  }
  EXPECT_NE(
      error_of(failure_response({Failure::io, "x"}, Code::blob_unknown, request))["message"].get<std::string>().find(
          "id-1"),
      std::string::npos);
  log::set_level(log::Level::info);
}

TEST(FailureResponse, AsksToComeBackWhereThatHelps) {
  log::set_level(log::Level::off);
  for (const auto failure : {Failure::busy, Failure::no_space})
    EXPECT_TRUE(failure_response({failure, ""}, Code::blob_unknown, {}).headers.has("Retry-After"));
  EXPECT_FALSE(failure_response({Failure::not_found, ""}, Code::blob_unknown, {}).headers.has("Retry-After"));
  log::set_level(log::Level::info);
}

}  // namespace
}  // namespace slipway::oci
