#pragma once
// One text that says where a store in a bucket is: what people write into a configuration or behind --store.
//
//   s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION&…
//
// Values are percent-encoded where they hold '&', '#' or '%'. Known are:
//   endpoint        of the service; AWS's own for the region without it
//   region          else $AWS_REGION, $AWS_DEFAULT_REGION, "us-east-1"
//   style           path or virtual-host: where the bucket's name goes; path with an endpoint, virtual-host with AWS
//   ca              PEM file to trust besides the system's
//   storage_class   of what is put, such as STANDARD_IA
//   sse             AES256 or aws:kms: how what is put is encrypted by the service
//   sse_key         the KMS key for that

#include "s3/keyring.hpp"
#include "s3/requests.hpp"

#include <string>
#include <string_view>

namespace slipway::s3 {

struct BucketUrl {
  BucketOptions bucket;
  std::string prefix;  ///< empty, or with a slash at its end
};

/// Failure::invalid, saying what is wrong with the text.
Result<BucketUrl> parse_bucket_url(std::string_view text, const Environment& environment);

}  // namespace slipway::s3
