#pragma once
// Files of this machine that commands fetch from a server, or compare with what it has.

#include "cli/server_access.hpp"
#include "publish/registry_client.hpp"

namespace slipway::cli {

/// A repository's client, and its connections.
class RepositoryReader {
public:
  RepositoryReader(const ServerAccess& server, const std::string& repository, unsigned connections)
      : m_connections(connections),
        m_client([this](const http::ClientRequest& request) { return m_connections.fetch(request); },
                 {.url = server.url,
                  .repository = repository,
                  .authorization = server.authorization,
                  .ca_file = server.ca_file}) {}
  publish::RegistryClient& client() { return m_client; }

private:
  http::Client m_connections;
  publish::RegistryClient m_client;
};

/// It is a regular file of that size and digest.
bool is_there(const std::filesystem::path& path, const Digest& digest, std::uint64_t size);

/// Writes a file whole or not at all: beside its place first, with folders that it needs. `write` is told where.
Result<> write_aside(const std::filesystem::path& path, const std::function<Result<>(int fd)>& write);

/// A blob's bytes, so; what may pass is tried three times.
Result<> fetch_file(publish::RegistryClient& client, const std::filesystem::path& path, const Digest& digest,
                    std::uint64_t size);

}  // namespace slipway::cli
