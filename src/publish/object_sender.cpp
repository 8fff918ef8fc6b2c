#include "publish/object_sender.hpp"

#include "oci/batch_format.hpp"
#include "oci/manifest.hpp"

namespace slipway::publish {
namespace {

constexpr std::size_t held_bytes_max = 8U << 20;
constexpr std::size_t held_blobs_max = 4096;
constexpr std::size_t batch_bytes = 1U << 20;

}  // namespace

Result<Digest> ObjectSender::add_blob(std::string bytes) {
  const auto digest = digest_of(as_bytes(bytes));
  const auto size = bytes.size();
  if (m_blobs.try_emplace(digest, std::move(bytes)).second) m_bytes += size;
  if (m_bytes >= held_bytes_max || m_blobs.size() >= held_blobs_max) TRY(flush());
  return digest;
}

Result<> ObjectSender::add_shard(Shard shard) {
  m_bytes += shard.manifest.size() + shard.listing.size();
  m_blobs.try_emplace(shard.listing_digest, std::move(shard.listing));
  m_shards.push_back(std::move(shard));
  return m_bytes >= held_bytes_max ? flush() : Result<>();
}

Result<> ObjectSender::flush() {
  TRY(send_blobs());
  for (const auto& shard : m_shards) TRY(m_client.put_manifest(shard.digest, oci::oci_manifest, shard.manifest));
  m_shards.clear();
  m_bytes = 0;
  return {};
}

Result<> ObjectSender::send_blobs() {
  if (m_blobs.empty()) return {};
  std::vector<Digest> digests;
  for (const auto& [digest, bytes] : m_blobs) digests.push_back(digest);
  TRY_ASSIGN(const auto missing, m_client.missing(digests));
  std::string body;
  std::size_t count = 0;
  const auto send = [&]() -> Result<> {
    TRY(m_client.put_batch(body, count));
    body.clear();
    count = 0;
    return {};
  };
  for (const auto& digest : missing) {
    const auto& bytes = m_blobs.at(digest);
    if (bytes.size() > oci::batched_bytes_max) {
      TRY(m_client.put_blob(digest, as_bytes(bytes)));
      continue;
    }
    oci::append_batched(body, digest, as_bytes(bytes));
    ++count;
    if (body.size() >= batch_bytes) TRY(send());
  }
  if (count > 0) TRY(send());
  m_blobs.clear();
  return {};
}

}  // namespace slipway::publish
