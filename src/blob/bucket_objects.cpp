#include "blob/bucket_objects.hpp"

#include "base/digest.hpp"

namespace slipway::blob {

Result<> BucketObjects::put(const std::string& name, std::string_view bytes) {
  return m_bucket.put(m_prefix + name, {as_bytes(bytes), to_hex(digest_of(as_bytes(bytes)).value())});
}

Result<std::string> BucketObjects::get(const std::string& name) {
  TRY_ASSIGN(const auto size, m_bucket.head(m_prefix + name));
  if (size > object_bytes_max)
    return fail(Failure::too_large, m_prefix + name + " is larger than " + human_size(object_bytes_max));
  std::string out;
  out.reserve(size);
  TRY(m_bucket.get(m_prefix + name, {0, size}, [&](ByteView piece) -> Result<> {
    out.append(as_text(piece));
    return {};
  }));
  return out;
}

Result<std::vector<NamedObject>> BucketObjects::list() {
  std::vector<NamedObject> out;
  TRY(m_bucket.list(
      m_prefix, [&](const s3::Object& object) { out.push_back({object.key.substr(m_prefix.size()), object.size}); }));
  return out;
}

}  // namespace slipway::blob
