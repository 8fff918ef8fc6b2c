#pragma once
// What the catalog takes and gives: plain values.

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "blob/store.hpp"

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace slipway::catalog {

/// Among the changes that the journal tells of (journal.hpp), a place before all and one after all.
constexpr auto before_all_changes = std::numeric_limits<std::int64_t>::min();
constexpr auto after_all_changes = std::numeric_limits<std::int64_t>::max();

/// Stored in edge.kind: never renumber.
enum class EdgeKind : std::uint8_t { config = 1, layer = 2, child = 3, subject = 4 };

/// A descriptor of a manifest.
struct Edge {
  EdgeKind kind = EdgeKind::layer;
  Digest digest;
  std::string media_type;
  std::uint64_t size = 0;
  bool may_be_absent = false;  ///< a non-distributable layer, or a subject: never required to exist
};

/// A manifest to be put: the bytes and what was read out of them.
struct NewManifest {
  Digest digest;  ///< as the client named it, or SHA-256
  std::string media_type;
  std::string bytes;
  std::optional<std::string> artifact_type;
  std::optional<std::string> annotations;  ///< JSON
  std::vector<Edge> edges;
};

/// A manifest as some repository has it. Immutable.
struct StoredManifest {
  Digest digest;  ///< the one asked by, or the one its tag was pushed by
  std::string media_type;
  std::shared_ptr<const std::string> bytes;
};

/// A manifest that names another as its subject.
struct Referrer {
  std::int64_t position = 0;  ///< where the next page goes on
  Digest digest;
  std::string media_type;
  std::uint64_t size = 0;
  std::optional<std::string> artifact_type;
  std::optional<std::string> annotations;  ///< JSON
};

struct ReferrerPage {
  std::vector<Referrer> referrers;
  bool more = false;
};

/// A manifest in the list of a repository's.
struct ListedManifest {
  std::int64_t position = 0;  ///< where the next page goes on
  Digest digest;
};

/// A page ends where either is reached, though never empty while there is something to show.
struct PageLimit {
  std::size_t count = 1;
  std::size_t bytes = 0;  ///< of what is listed, about
};

/// A blob that can be read.
struct StoredBlob {
  std::int64_t id = 0;
  std::uint64_t size = 0;
  blob::Location location;
  Timestamp created_at;  ///< when its bytes first came, whoever sent them
};

/// What there is of a digest that is asked for along with many.
struct Known {
  bool is_manifest = false;        ///< the repository has it as a manifest
  bool is_member = false;          ///< … or as a blob
  std::optional<StoredBlob> blob;  ///< that some repository has
  std::string holder;              ///< one that has it
};

/// A small blob that is to be entered along with others.
struct BatchedBlob {
  Digest digest;
  std::optional<blob::Location> location;  ///< of its durable bytes; absent: the store holds it already
  bool replace = false;                    ///< those that the catalog knows are lost
};

/// An object of the store that holds many small blobs.
struct Pack {
  std::string key;
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;  ///< of the blobs that are wanted
};

struct PackedBlob {
  Digest digest;
  blob::Location location;
};

/// A blob's bytes have been copied.
struct Move {
  blob::LocationId from{};
  blob::Location to;
};

/// One request's right to end a session: good until another claims it.
struct UploadClaim {
  std::string id;  ///< empty: there is no session
  std::int64_t epoch = 0;
};

struct Upload {
  /// Somebody is at it, or has left it unsaved: each claim makes the epoch odd, and saving even again.
  bool is_claimed() const { return epoch % 2 == 1; }
  UploadClaim claim() const { return {id, epoch}; }

  std::string id;
  std::string repository;
  blob::LocationId location{};
  std::uint64_t position = 0;
  blob::ResumeToken token;
  std::int64_t epoch = 0;
  Timestamp started_at;
  Algorithm algorithm = Algorithm::sha256;  ///< announced for its digest
  bool contested = false;  ///< claimed: whoever had claimed it before has not saved, and may still be at it
};

/// What became of the wish to end a session.
struct UploadEnd {
  bool ended = false;
  std::optional<blob::Location> left;  ///< its bytes, if it had any outside the catalog; in the deletion queue
};

/// Why a tag points elsewhere since.
enum class TagEvent { push, promote, rollback, removal };
/// As the history shows it: "push", "promote", "rollback", "delete".
std::string_view name_of(TagEvent event);

struct TagMove {
  std::string tag;
  Timestamp at;
  std::string who;
  TagEvent event = TagEvent::push;
  std::optional<std::string> from;    ///< absent: it was not there, or nobody knows any more
  std::optional<std::string> digest;  ///< absent: deleted
};

/// What a server told of its work.
struct Report {
  std::string value;
  Timestamp at;
};

/// What a promotion or a rollback came to.
struct TagMoved {
  std::optional<Digest> from;  ///< absent: the tag is new
  Digest to;
  bool is_new() const { return from != to; }  ///< else it was there already, and nothing was written
};

struct TagRecord {
  std::string name;
  Digest digest;
  std::string media_type;
  std::uint64_t manifest_bytes = 0;
  Timestamp updated_at;
};

struct RepositoryRecord {
  std::string name;
  std::string kind;
  Timestamp created_at;
  std::uint64_t tags = 0;
  std::uint64_t manifests = 0;
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;  ///< of its blobs, each once; shared ones included
};

/// A blob that a repository has under a name that is none by content: a key of a plain HTTP cache, or a pin.
struct NamedBlob {
  Digest digest;
  StoredBlob blob;
};
using CacheEntry = NamedBlob;

/// What a put under a key came to.
struct EntryPut {
  StoredBlob blob;
  std::vector<blob::Location> unwanted;  ///< of what was there before, if nothing else has it; in the deletion queue
};

struct CacheUsage {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

/// One round of making room in a cache.
struct Eviction {
  std::size_t entries = 0;
  std::vector<blob::Location> unwanted;  ///< in the deletion queue
  bool more = false;                     ///< still too large
};

/// What names are left for; see Catalog::unreachable().
struct Unreachable {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
  std::uint64_t manifest_bytes = 0;
};

struct BlobTotals {
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;
};

struct Totals {
  std::uint64_t repositories = 0;
  std::uint64_t tags = 0;
  std::uint64_t manifests = 0;
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t uploads = 0;
  std::uint64_t deletions = 0;
};

}  // namespace slipway::catalog
