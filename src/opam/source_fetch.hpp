#pragma once
// One source, from where its package says into the repository, which keeps it for good.

#include "catalog/catalog.hpp"
#include "opam/hosts.hpp"
#include "opam/package.hpp"
#include "publish/registry_client.hpp"
#include "upstream/download.hpp"

namespace slipway::opam {

/// Where sources go.
struct SourceStore {
  catalog::Catalog& catalog;
  publish::RegistryClient& client;  ///< of the repository
  std::filesystem::path spool;      ///< a folder, for what is not whole yet
};

struct KeptSource {
  Digest digest;
  std::uint64_t size = 0;
  std::string url;              ///< that it came from; empty where it was here already, under another checksum
  std::vector<Checksum> taken;  ///< names that other bytes have here already, which they keep
};

/// Under which a source is kept whose checksums are `actual`: MD5 is no proof, so only who lists it is answered by it.
std::vector<std::string> names_to_keep(std::span<const Checksum> actual, std::span<const Checksum> listed);

/// Where the repository keeps it under some of its checksums already, it gets the others. Else tries its addresses in
/// turn, but for those of hosts that are being left alone, until one has bytes of which all listed checksums are true;
/// then keeps them, under their SHA-256 and SHA-512 and whichever else is listed. What each address came to is in the
/// error, whose failure is the last one's: corrupt where other bytes came, else as upstream::download(), the disk and
/// the registry fail.
Result<KeptSource> fetch_source(const Source& source, http::Client& connections, Hosts& hosts, const SourceStore& store,
                                const upstream::DownloadOptions& options);

}  // namespace slipway::opam
