#pragma once
// One repository of a Slipway server, as whoever publishes trees to it or reads them from it sees it: over the network,
// or within the server's own process.

#include "http/local.hpp"
#include "publish/tree.hpp"

#include <atomic>
#include <set>

namespace slipway::publish {

/// Where a repository is, and as whom to ask.
struct RegistryAddress {
  std::string url;            ///< "https://host:port", "unix:/path"
  std::string repository;     ///< checked
  std::string authorization;  ///< of the field of that name; empty: nobody
  std::string ca_file;        ///< PEM to trust besides the system's
};

/// Safe to call from any thread. What may pass is tried again for some seconds, once the server has answered at all.
/// Failure::denied, not_found and so on as the server says, with its own words; unavailable where it does not answer.
class RegistryClient {
public:
  RegistryClient(http::Asking asking, RegistryAddress address);

  const RegistryAddress& address() const { return m_address; }

  struct Manifest {
    Digest digest;
    std::string media_type;
    std::string bytes;
  };
  /// Of a tag or digest; nothing where there is none.
  Result<std::optional<Manifest>> manifest(const std::string& reference);
  /// A blob's bytes, checked; too_large past `size_max`.
  Result<std::string> blob(const Digest& digest, std::size_t size_max);
  /// The same, piece by piece.
  Result<> read_blob(const Digest& digest, std::uint64_t size, const std::function<Result<>(ByteView)>& each);

  /// Those of `digests`, blobs or manifests, that the repository has not.
  Result<std::set<Digest>> missing(const std::vector<Digest>& digests);
  /// Blobs as oci/batch_format.hpp has them.
  Result<> put_batch(std::string_view body, std::size_t blobs);
  /// A blob from a file. Failure::conflict where its bytes are others than `digest` says. What is large goes on where
  /// it was, should the connection break.
  Result<> put_blob(const Digest& digest, const FileSlice& bytes);
  Result<> put_blob(const Digest& digest, ByteView bytes);
  /// A manifest by its digest.
  Result<> put_manifest(const Digest& digest, std::string_view media_type, std::string_view bytes);
  /// An index at a tag which points at `expected` so far, or nowhere. Failure::conflict where it does not.
  Result<> put_index(const std::string& tag, std::string_view bytes, const std::optional<Digest>& expected);

  /// What all that has cost.
  struct Cost {
    std::uint64_t requests = 0;
    std::uint64_t objects = 0;  ///< that were sent: blobs and manifests
    std::uint64_t bytes = 0;    ///< theirs
  };
  Cost cost() const { return {m_requests, m_objects, m_bytes}; }

private:
  Result<http::ClientResponse> ask(http::ClientRequest request);
  http::ClientRequest request_for(std::string method, const std::string& below) const;
  Error refusal(const http::ClientResponse& response, const std::string& what) const;
  Result<> put_whole(const Digest& digest, http::ClientRequest request, std::uint64_t size);
  Result<> put_in_session(const Digest& digest, const FileSlice& bytes);
  Result<> follow(const http::ClientResponse& response, const std::function<Result<>(ByteView)>& each);
  void count(std::uint64_t objects, std::uint64_t bytes);

  const http::Asking m_ask;
  const RegistryAddress m_address;
  std::atomic<bool> m_was_met{false};  // until then, waiting for it would be of no use
  std::atomic<std::uint64_t> m_requests{0}, m_objects{0}, m_bytes{0};
};

}  // namespace slipway::publish
