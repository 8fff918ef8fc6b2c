#pragma once
// Where the tests' object store is, as support/ceph_gateway.py says; a bucket of its own for each test.

#include "base/random.hpp"
#include "s3/bucket.hpp"

#include <cstdlib>
#include <stdexcept>

namespace slipway::s3 {

inline Keyring& test_keys() {
  static Keyring keyring(all_keys(process_environment(), "us-east-1"), system_clock());
  return keyring;
}

inline BucketOptions test_bucket(const std::string& name = "slipway-" + unique_hex()) {
  const auto endpoint = process_environment()("S3_ENDPOINT");
  if (endpoint.empty()) throw std::runtime_error("S3_ENDPOINT is not set: support/ceph_gateway.py sets it");
  return {.endpoint = endpoint, .bucket = name};
}

/// An empty bucket that is there.
inline BucketOptions made_bucket() {
  auto options = test_bucket();
  Requests requests(options, test_keys(), system_clock());
  if (const auto made = requests.make({.method = "PUT"}); !made) throw std::runtime_error(made.error().message);
  return options;
}

}  // namespace slipway::s3
