#pragma once
// Objects that are made in memory, sent in few requests: those that the registry has not, hundreds at a time.

#include "publish/registry_client.hpp"
#include "publish/tree.hpp"

#include <unordered_map>

namespace slipway::publish {

/// Holds at most some 8 MiB and the object at hand. Not safe for concurrent use. The client outlives it. Errors are the
/// client's.
class ObjectSender {
public:
  explicit ObjectSender(RegistryClient& client) : m_client(client) {}

  /// It is there after the next flush().
  Result<Digest> add_blob(std::string bytes);
  /// With its listing; its files' blobs were added, or are there.
  Result<> add_shard(Shard shard);
  Result<> flush();

private:
  Result<> send_blobs();

  RegistryClient& m_client;
  std::unordered_map<Digest, std::string> m_blobs;
  std::vector<Shard> m_shards;
  std::size_t m_bytes = 0;
};

}  // namespace slipway::publish
