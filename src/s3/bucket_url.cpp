#include "s3/bucket_url.hpp"

#include "http/target.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace slipway::s3 {
namespace {

constexpr std::string_view scheme = "s3://";
constexpr std::size_t prefix_bytes_max = 512;

/// What is wrong with the text, which holds no secret.
std::unexpected<Error> bad(std::string_view text, const std::string& problem) {
  return fail(Failure::invalid, fmt::format("'{}': {}; expected s3://BUCKET/PREFIX?endpoint=URL&region=REGION",
                                            text.substr(0, 300), problem));
}

/// S3's rules for names (Amazon S3 User Guide, "General purpose bucket naming rules"), and those of older buckets.
bool is_bucket_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 255 && std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
         });
}

/// Of ASCII that needs no escape in a key, a URL or a log.
bool is_prefix(std::string_view text) {
  return text.size() <= prefix_bytes_max && text.find("//") == text.npos &&
         std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) != 0 ||
                  std::string_view("-._/!*'()").find(static_cast<char>(c)) != std::string_view::npos;
         });
}

bool is_endpoint(std::string_view text) {
  const auto host = text.starts_with("https://") ? text.substr(8) : text.starts_with("http://") ? text.substr(7) : "";
  return !host.empty() && host.find_first_of("/?#@ \"\\") == host.npos;
}

/// Without a port that is the scheme's own: clients leave it out of the Host field, which is signed.
std::string without_usual_port(std::string endpoint) {
  for (const auto& [scheme_of, port] : {std::pair("https://", ":443"), std::pair("http://", ":80")})
    if (endpoint.starts_with(scheme_of) && endpoint.ends_with(port))
      endpoint.resize(endpoint.size() - std::string_view(port).size());
  return endpoint;
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

Result<Parameters> read_parameters(std::string_view text) {
  Parameters out;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto field = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = field.find('=');
    if (equals == field.npos) return fail(Failure::invalid, fmt::format("'{}' has no value", field));
    TRY_ASSIGN(auto value, http::percent_decode(field.substr(equals + 1)));
    out.emplace_back(field.substr(0, equals), std::move(value));
  }
  return out;
}

std::string region_of(const Environment& environment) {
  for (const auto* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (auto value = environment(name); !value.empty()) return value;
  return "us-east-1";
}

}  // namespace

Result<BucketUrl> parse_bucket_url(std::string_view text, const Environment& environment) {
  if (!text.starts_with(scheme)) return bad(text, "it does not begin with s3://");
  const auto query = std::min(text.find('?'), text.size());
  const auto place = text.substr(scheme.size(), query - scheme.size());
  const auto slash = std::min(place.find('/'), place.size());
  BucketUrl out;
  out.bucket.bucket = place.substr(0, slash);
  out.bucket.region = region_of(environment);
  if (!is_bucket_name(out.bucket.bucket)) return bad(text, "'" + out.bucket.bucket + "' is no bucket's name");
  out.prefix = place.substr(std::min(slash + 1, place.size()));
  if (!out.prefix.empty() && !out.prefix.ends_with('/')) out.prefix += '/';
  if (!is_prefix(out.prefix)) return bad(text, "a prefix is ASCII letters, digits and any of - . _ / ! * ' ( )");

  const auto parameters = read_parameters(text.substr(std::min(query + 1, text.size())));
  if (!parameters) return bad(text, parameters.error().message);
  std::string style;
  for (const auto& [name, value] : *parameters) {
    if (value.empty()) return bad(text, "'" + name + "' has no value");
    if (name == "endpoint")
      out.bucket.endpoint = without_usual_port(value.ends_with('/') ? value.substr(0, value.size() - 1) : value);
    else if (name == "region")
      out.bucket.region = value;
    else if (name == "style")
      style = value;
    else if (name == "ca")
      out.bucket.ca_file = value;
    else if (name == "storage_class")
      out.bucket.new_object_headers.emplace_back("x-amz-storage-class", value);
    else if (name == "sse")
      out.bucket.new_object_headers.emplace_back("x-amz-server-side-encryption", value);
    else if (name == "sse_key")
      out.bucket.new_object_headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", value);
    else
      return bad(text,
                 "'" + name + "' is not known; known are endpoint, region, style, ca, storage_class, sse and sse_key");
  }
  if (!style.empty() && style != "path" && style != "virtual-host")
    return bad(text, "style is path or virtual-host, not '" + style + "'");
  const bool is_aws = out.bucket.endpoint.empty();
  if (is_aws) out.bucket.endpoint = "https://s3." + out.bucket.region + ".amazonaws.com";
  if (!is_endpoint(out.bucket.endpoint))
    return bad(text, "the endpoint is http:// or https:// and a host, without a path");
  out.bucket.style = style == "virtual-host" || (is_aws && style.empty()) ? Style::virtual_host : Style::path;
  std::ranges::sort(out.bucket.new_object_headers);
  return out;
}

}  // namespace slipway::s3
