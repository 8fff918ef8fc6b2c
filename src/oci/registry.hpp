#pragma once
// The OCI distribution protocol over a catalog and a store. One object for all workers; each route is a member
// function, in blobs.cpp, uploads.cpp, batches.cpp, manifests.cpp, listings.cpp and tokens.cpp.

#include "access/access.hpp"
#include "base/gate.hpp"
#include "catalog/keep.hpp"
#include "http/message.hpp"
#include "oci/active_uploads.hpp"
#include "oci/errors.hpp"
#include "oci/manifest.hpp"
#include "oci/names.hpp"

namespace slipway::oci {

/// Which manifests are accepted although some of what they list is missing (the specification's "sparse manifests").
enum class Sparse { none, indexes, all };

struct RegistryOptions {
  ManifestLimits manifest;
  std::uint64_t blob_bytes_max = 0;     ///< of one blob; 0: no limit
  std::size_t uploads_max = 10'000;     ///< sessions open at once
  std::size_t names_page_max = 10'000;  ///< tags or repositories in one answer
  Sparse sparse = Sparse::none;
  bool basic_challenge = false;  ///< ask for Basic credentials, not for a token
  std::size_t batches_max = 32;  ///< of small blobs that come in one request, at once; each takes some 2 MiB
  /// Asked of each manifest before it is put, whether its content may be; invalid and denied are told to the client.
  std::function<Result<>(const std::string& repository, const catalog::NewManifest&)> check_manifest = {};
  std::string url;  ///< "https://host" that clients reach this server by; empty: as each one did
};

/// Safe to call from any thread. Everything it is given outlives it.
class Registry {
public:
  Registry(catalog::Catalog& catalog, blob::BlobStore& store, std::string store_id, access::Access& access,
           RegistryOptions options);

  /// Answers everything below /v2.
  http::Answer handle(http::Request& request);
  /// The same for this server itself, which asks as whoever it says.
  http::Answer handle_as(http::Request& request, access::Principal who);

private:
  friend class UploadSink;
  friend class SinglePostSink;
  friend class BatchSink;

  /// A request whose name and caller are checked.
  struct Call {
    http::Request& request;
    Path path;
    access::Principal who;
  };

  /// A challenge to log in; `details` are further parameters of a Bearer challenge (RFC 6750 §3).
  http::Response unauthorized(const http::Request& request, std::string_view message, std::string_view details);
  /// The refusal, unless `who` may. `source`: a repository that it would like to pull from as well; a challenge asks
  /// for both, since clients ask for a token once.
  std::optional<http::Response> check(const http::Request& request, const access::Principal& who, access::Action action,
                                      const std::string& name, const std::string& source = {});
  /// The refusal where a tag is only for others to move.
  std::optional<http::Response> check_approval(const Call& call, const std::string& tag) const;
  /// 507 to a request with content, while the store wants none.
  std::optional<http::Response> check_room(const http::Request& request);
  http::Answer dispatch(Call& call);

  http::Answer handle_base(Call& call);
  http::Answer handle_token(Call& call);
  http::Answer handle_catalog(Call& call);
  http::Answer handle_referrers(Call& call);
  http::Answer handle_blob(Call& call);
  http::Answer handle_uploads(Call& call);
  http::Answer handle_upload(Call& call);
  http::Answer handle_manifest(Call& call);
  http::Answer handle_tags(Call& call);
  http::Answer handle_missing(Call& call);
  http::Answer handle_batch(Call& call);

  http::Response get_blob(Call& call, const Digest& digest);
  http::Response delete_blob(Call& call, const Digest& digest);
  std::optional<http::Response> try_mount(Call& call);
  /// A repository that has the blob, its bytes too, and that the caller may pull from.
  std::optional<std::string> mount_source(Call& call, const Digest& digest);
  http::Answer post_whole_blob(Call& call, const std::string& digest);
  http::Response begin_upload(Call& call);
  http::Answer patch_upload(Call& call);
  http::Answer put_upload(Call& call);
  /// Takes a body into a session; with a digest, ends it.
  http::Answer receive(Call& call, const std::optional<Digest>& digest);
  http::Response upload_status(Call& call);
  http::Response cancel_upload(Call& call);
  http::Response get_manifest(Call& call);
  http::Answer put_manifest(Call& call);
  http::Response store_manifest(Call& call, std::string bytes);
  http::Response delete_manifest(Call& call);

  /// Those of `digests` that the repository has not, after it was given what `who` may have from others.
  Result<std::vector<Digest>> missing_of(const std::string& repository, const access::Principal& who,
                                         std::span<const Digest> digests);
  bool is_whole(const Digest& digest, const catalog::Known& known);
  /// Enters small blobs, whose digests are checked.
  Result<> keep_all(const std::string& repository, std::span<const std::pair<Digest, std::string>> blobs);

  /// Enters an intake's bytes as a blob under `digest`, or finds it there already. `upload` may be empty.
  Result<> keep(blob::Intake& intake, const std::string& repository, const Digest& digest,
                const catalog::UploadClaim& upload);

  catalog::Catalog& m_catalog;
  blob::BlobStore& m_store;
  const std::string m_store_id;
  access::Access& m_access;
  const RegistryOptions m_options;
  ActiveUploads m_active;
  Gate m_batches;
};

/// "/v2/name/blobs/…": Location fields are relative, so that no proxy's host name has to be guessed.
std::string blob_path(const std::string& repository, const Digest& digest);
std::string upload_path(const std::string& repository, const std::string& id);
http::Response created(const std::string& location, const Digest& digest);

}  // namespace slipway::oci
