#pragma once
// Objects with names of their own in a bucket, beside the blobs of a store there: see objects.hpp.

#include "blob/objects.hpp"
#include "s3/bucket.hpp"

namespace slipway::blob {

/// Under keys that begin with a prefix. The bucket outlives it.
class BucketObjects final : public Objects {
public:
  BucketObjects(s3::Bucket& bucket, std::string prefix) : m_bucket(bucket), m_prefix(std::move(prefix)) {}
  Result<> put(const std::string& name, std::string_view bytes) override;
  Result<std::string> get(const std::string& name) override;
  Result<> remove(const std::string& name) override { return m_bucket.remove(m_prefix + name); }
  Result<std::vector<NamedObject>> list() override;

private:
  s3::Bucket& m_bucket;
  const std::string m_prefix;
};

}  // namespace slipway::blob
