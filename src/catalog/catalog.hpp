#pragma once
// The truth: which repository has what, under which name, and where the bytes lie. All of it by named queries over
// sql::Database; every write is one transaction that is durable when it returns, and leaves the keys of the rows it
// changed to the journal (journal.hpp). Reads of names go through a bounded cache that commits keep right; where the
// database is shared they ask it each time, and keep only the bytes that a name had last. schema_sqlite.cpp has the
// tables.
//
// Reads and writes of one name are linearizable. Safe to call from any thread. Errors: not_found where a name says so,
// read_only, no_space, busy and io from the database.

#include "catalog/name_cache.hpp"
#include "catalog/records.hpp"
#include "sql/database.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <unordered_map>

namespace slipway::catalog {

class Catalog {
public:
  /// Migrates the database to this binary's schema. Failure::invalid where a newer one has been there that this binary
  /// cannot use. Database and clock outlive the catalog.
  static Result<std::unique_ptr<Catalog>> open(sql::Database& database, const Clock& clock, bool read_only = false);

  // ---- itself (settings.cpp) ----
  Result<std::optional<std::string>> setting(std::string_view name);
  Result<> set_setting(std::string_view name, std::string_view value);
  /// Asked, within the transaction of a write and after all others, whether it may be.
  using Expectation = std::function<Result<>(sql::Session&)>;
  Result<> set_setting(std::string_view name, std::string_view value, const Expectation& expect);
  /// Its value, which is `fresh` from now on if it had none: the same for all servers that ask at once.
  Result<std::string> setting_or(std::string_view name, std::string_view fresh);
  /// Those whose names begin so, by the rest of the name.
  Result<std::map<std::string, std::string>> settings_below(std::string_view prefix);
  /// not_found where there is none.
  Result<> remove_setting(std::string_view name);
  /// True if `holder` has the lease for `duration` from now on: nobody else's has been running.
  Result<bool> take_lease(std::string_view name, std::string_view holder, std::chrono::seconds duration);
  /// Gives it up for others to take at once, if it is `holder`'s.
  Result<> end_lease(std::string_view name, std::string_view holder);
  /// Other servers may use the same catalog.
  bool is_shared() const { return m_database.is_shared(); }
  /// As sql::Database::risks().
  Result<std::vector<std::string>> risks() { return m_database.risks(); }
  /// Remembers the store's identity the first time; afterwards Failure::conflict for another one.
  Result<> pair_with_store(const std::string& store_id);
  /// All its bytes are in another store now, to which it belongs from here on; sessions, and what was to be removed,
  /// were the other one's and are forgotten. Nobody else uses it meanwhile, which `expect` is asked.
  Result<> move_to_store(const std::string& store_id, const Expectation& expect);
  /// Returns once all writes that others have begun are over: what is read afterwards knows of them.
  Result<> wait_for_writes();
  /// A location id nobody had before and nobody gets again.
  Result<blob::LocationId> next_location();
  /// What the next one to be reserved is at least.
  Result<blob::LocationId> first_free_location();
  /// The store has ids up to `used`: none of them is given out. True where they would have been, as by a catalog from
  /// an older copy than the store; then the sessions are forgotten whose bytes `is_finished`, for they may be a blob's
  /// since.
  Result<bool> skip_locations(blob::LocationId used, const std::function<bool(blob::LocationId)>& is_finished);
  /// There are packs that are to be removed, and have not been yet.
  Result<bool> has_packs_to_remove();
  /// For a copy of a catalog, beside a copy of the blobs that it speaks of: forgets sessions and what was to be
  /// removed.
  Result<> forget_unfinished();
  /// Leaves the ids to come to whoever goes on from the same state.
  Result<> leave_locations();
  Result<int> schema_version();
  Result<Totals> totals();
  /// When the newest blob or manifest came, or a tag moved last; 1970 where nothing ever did.
  Result<Timestamp> latest_change();
  void set_read_only(bool read_only) { m_database.set_read_only(read_only); }
  bool is_read_only() const { return m_database.is_read_only(); }

  // ---- repositories (repositories.cpp) ----
  /// Up to `limit` names after `after`, in byte order; of one kind, or of all where `kind` is empty.
  Result<std::vector<std::string>> repositories(const std::string& after, std::size_t limit,
                                                const std::string& kind = {});
  Result<bool> has_repository(const std::string& repository);
  Result<RepositoryRecord> repository(const std::string& repository);
  /// With its tags, manifests, memberships and uploads; the uploads' bytes are returned, in the deletion queue.
  /// not_found unless it exists.
  Result<std::vector<blob::Location>> remove_repository(const std::string& repository, const std::string& who);
  /// Blobs that no repository has, and manifests that none has.
  Result<Unreachable> unreachable();

  // ---- blobs (blobs.cpp) ----
  /// A blob that `repository` has.
  Result<StoredBlob> find_blob(const std::string& repository, const Digest& digest);
  /// Up to `limit` repositories that have a blob.
  Result<std::vector<std::string>> holders(const Digest& digest, std::size_t limit);
  /// One that any has.
  Result<StoredBlob> find_blob_anywhere(const Digest& digest);
  /// Gives `repository` a blob the store already holds, ending `upload` if it is named; not_found where it does not,
  /// conflict as commit_blob().
  Result<StoredBlob> adopt_blob(const std::string& repository, const Digest& digest, const UploadClaim& upload);
  /// Gives `to` a blob that `from` has; not_found where it has not.
  Result<StoredBlob> mount_blob(const std::string& to, const std::string& from, const Digest& digest);
  /// Enters durable bytes and gives them to `repository`, ending `upload` if it is named. Where the content is known
  /// already, that blob is kept and `location` queued for deletion — or, with `replace`, the old location is. conflict
  /// where `upload` has ended meanwhile or another request has claimed it: that one may remove what lies here; busy
  /// where the location's pack has just been compacted away.
  Result<StoredBlob> commit_blob(const std::string& repository, const std::vector<Digest>& digests,
                                 const blob::Location& location, const std::string& store_id, const UploadClaim& upload,
                                 bool replace);
  // Many at once (batches.cpp), in a few statements each.
  /// What is known of each of `digests`, which are SHA-256; absent from the map: nothing.
  Result<std::unordered_map<Digest, Known>> known(const std::string& repository, std::span<const Digest> digests);
  /// Gives `to` blobs, each of which the repository named with it has; those that are not there are passed over.
  Result<> mount_blobs(const std::string& to, std::span<const std::pair<Digest, std::string>> blobs);
  /// As commit_blob() or adopt_blob() of each, at most a thousand, none twice, in one write: not_found where one that
  /// the store is to hold is not there.
  Result<> commit_blobs(const std::string& repository, std::span<const BatchedBlob> blobs, const std::string& store_id);
  /// Takes a blob from a repository; its bytes stay until they are collected. not_found unless it has it; denied where
  /// it is pinned.
  Result<> remove_blob(const std::string& repository, const Digest& digest);
  /// Up to `limit` locations after `after`, in order of id, whose bytes are to be removed, and were at `queued_until`;
  /// forget_deletion() once they are gone. Packs only where their blobs went elsewhere by the change `journaled`: a
  /// catalog rebuilt of a journal that ends before would look for them there.
  Result<std::vector<blob::Location>> deletions(blob::LocationId after, std::size_t limit,
                                                std::int64_t journaled = after_all_changes,
                                                Timestamp queued_until = Timestamp::max());
  Result<> forget_deletion(blob::LocationId id);
  /// Calls `each` for every location, with a digest of its bytes, in order of id, in pages: for checks and copies. An
  /// error ends it.
  Result<> for_each_location(const std::function<Result<>(const StoredBlob&, const Digest&)>& each);
  /// A blob's bytes lie there.
  Result<bool> has_location(blob::LocationId id);
  /// How many there are, and the bytes in them.
  Result<BlobTotals> blob_totals();

  /// Those of the store's objects that no row knows: no blob lies there, no session may go on from them, and they are
  /// not in the deletion queue. What is being pushed at this moment may be among them.
  /// With `unfinished` false sessions and the queue do not count.
  Result<std::vector<blob::Location>> unknown(const std::vector<blob::Location>& objects, bool unfinished = true);

  // ---- what servers tell (reports.cpp) ----
  /// For other servers to show: what was told last under a name. Lost where a catalog is rebuilt or copied.
  Result<std::optional<Report>> report(std::string_view name);
  Result<> put_report(std::string_view name, std::string_view value);
  Result<> remove_report(std::string_view name);
  /// Counts what was fetched of a repository, in the month that is (UTC).
  Result<> add_tallies(const std::string& repository, const std::map<std::string, std::uint64_t>& counts);
  /// By name: in all months since, 202611 being a month.
  Result<std::map<std::string, std::uint64_t>> tallies(const std::string& repository, int since_month = 0);

  /// Notes when things of a repository were first published; what is known of one already stays, unless it is later.
  Result<> note_first_published(const std::string& repository, const std::map<std::string, Timestamp>& times);
  /// All that is known, by name.
  Result<std::map<std::string, Timestamp>> first_published(const std::string& repository);

  // ---- pins (pins.cpp) ----
  /// A repository keeps a blob that it has as long as it is there itself, whatever becomes of its manifests, under
  /// names that are its own format's ("md5=…"). Returns those of `names` that are another blob's already, which they
  /// stay. not_found unless it has the blob.
  Result<std::vector<std::string>> pin_blob(const std::string& repository, const Digest& digest,
                                            const std::vector<std::string>& names);
  /// not_found where it keeps nothing of that name.
  Result<NamedBlob> find_pin(const std::string& repository, const std::string& name);
  /// Those of `names` that it keeps something as.
  Result<std::set<std::string>> pinned(const std::string& repository, std::span<const std::string> names);
  /// Each blob once, however many names it has.
  Result<BlobTotals> pin_totals(const std::string& repository);

  // ---- packs (packs.cpp) ----
  /// Enters a pack that is about to be put, so that it is found whatever becomes of that.
  Result<> announce_pack(const std::string& pack);
  /// Up to `limit` packs whose wanted bytes are fewer than `bytes`, those with the fewest first; without those that
  /// were announced in the last hour and have nothing yet.
  Result<std::vector<Pack>> packs_below(std::uint64_t bytes, std::size_t limit);
  /// Calls `each` for every pack of which something is wanted, in order of key, in pages. An error ends it.
  Result<> for_each_pack(const std::function<Result<>(const Pack&)>& each);
  /// Up to `limit` blobs that lie in a pack, after location `after`, in order of id, each with a digest of it.
  Result<std::vector<PackedBlob>> blobs_in_pack(const std::string& pack, blob::LocationId after, std::size_t limit);
  /// Blobs have been copied: each one that still is where it was is read from its new location from now on.
  Result<> move_locations(const std::vector<Move>& moves, const std::string& store_id);
  /// Queues an empty pack for deletion and returns it; nothing where it is not empty.
  Result<std::optional<blob::Location>> condemn_pack(const std::string& pack);
  /// Forgets packs that were condemned before `before`.
  Result<> forget_packs(Timestamp before);

  // ---- manifests and tags (manifests.cpp, tags.cpp) ----
  struct PutOutcome {
    bool put = false;
    std::vector<Digest> missing;  ///< what the manifest points at that the repository has not
    std::string elsewhere;        ///< the tag that was not where it was expected
  };
  /// Asked within a write where a tag points, which may be nowhere: false ends the write with nothing done.
  using TagExpectation = std::function<bool(const std::optional<Digest>& now)>;
  /// Puts a manifest with all its effects: edges, membership, referrers, tags and their history. With
  /// `children_required`, nothing is put unless every edge that is not may_be_absent is in the repository; with
  /// `expected`, unless it says so of each of the tags.
  Result<PutOutcome> put_manifest(const std::string& repository, const NewManifest& manifest,
                                  const std::vector<std::string>& tags, const std::string& who, bool children_required,
                                  const TagExpectation& expected = {});
  Result<StoredManifest> find_manifest(const std::string& repository, const Digest& digest);
  Result<StoredManifest> find_tag(const std::string& repository, const std::string& tag);
  /// Up to `limit` of a repository's manifests, after the one at position `after`, oldest first; tagged or not. None of
  /// an unknown repository.
  Result<std::vector<ListedManifest>> manifests(const std::string& repository, std::int64_t after, std::size_t limit);
  /// A page of a repository's manifests whose subject is `subject`, after the one at position `after`, oldest first;
  /// with `artifact_type`, only those of that type. Nobody's subject, like an unknown repository, has none.
  Result<ReferrerPage> referrers(const std::string& repository, const Digest& subject,
                                 const std::optional<std::string>& artifact_type, std::int64_t after, PageLimit limit);
  /// Takes a manifest and all its tags from a repository.
  Result<> remove_manifest(const std::string& repository, const Digest& digest, const std::string& who);
  Result<> remove_tag(const std::string& repository, const std::string& tag, const std::string& who);
  /// `tag` points where `source` does from now on; not_found where that points nowhere.
  Result<TagMoved> promote_tag(const std::string& repository, const std::string& source, const std::string& tag,
                               const std::string& who);
  /// Undoes a tag's last move, or, where that was a rollback, the one before what it went back to; with `to`, points it
  /// at that manifest. not_found where there is no such tag, or the repository has not what it would point at;
  /// conflict where its history knows nothing before.
  Result<TagMoved> roll_back_tag(const std::string& repository, const std::string& tag, const std::optional<Digest>& to,
                                 const std::string& who);
  /// Up to `limit` tags after `after`, in byte order; not_found unless the repository exists.
  Result<std::vector<std::string>> tags(const std::string& repository, const std::string& after, std::size_t limit);
  Result<std::vector<TagRecord>> tag_records(const std::string& repository, const std::string& after,
                                             std::size_t limit);
  /// The repositories that have the tag, or where it was moved after the move `seen`, which becomes the last one so
  /// far; with 0, those that have it now. Some may be told that have it no longer.
  Result<std::vector<std::string>> repositories_with(const std::string& tag, std::int64_t& seen);
  /// The newest moves first; of one tag, or of all where `tag` is empty.
  Result<std::vector<TagMove>> tag_history(const std::string& repository, const std::string& tag, std::size_t limit);

  // ---- plain HTTP caches (caches.cpp) ----
  // Repositories of kind 'cas', made by the first entry. conflict where a repository of that name is of another kind. A
  // blob that nothing else names goes with its last entry: its bytes are then in the deletion queue, for the caller to
  // remove if they should go at once.
  Result<CacheEntry> find_entry(const std::string& cache, const std::string& key);
  /// Puts a blob that the store holds already under a key; not_found where it does not.
  Result<EntryPut> adopt_entry(const std::string& cache, const std::string& key, const Digest& digest,
                               const UploadClaim& upload = {});
  /// Enters durable bytes and puts them under a key; else as commit_blob().
  Result<EntryPut> commit_entry(const std::string& cache, const std::string& key, const std::vector<Digest>& digests,
                                const blob::Location& location, const std::string& store_id, bool replace,
                                const UploadClaim& upload = {});
  /// not_found unless it is there. Returns the unwanted bytes.
  Result<std::vector<blob::Location>> remove_entry(const std::string& cache, const std::string& key);
  struct Use {
    std::string cache;
    std::string key;
    Timestamp at;
  };
  /// When entries were read last; those that are gone are passed over.
  Result<> record_uses(const std::vector<Use>& uses);
  /// Takes the least recently used entries, up to `entries_max`, while the cache is larger than `bytes_max`.
  Result<Eviction> evict(const std::string& cache, std::uint64_t bytes_max, std::size_t entries_max);
  Result<CacheUsage> cache_usage(const std::string& cache);

  // ---- uploads (uploads.cpp) ----
  /// A new session; the repository is made if it is new. Failure::busy where `open_max` are open already.
  Result<Upload> begin_upload(const std::string& repository, const std::string& who, std::size_t open_max,
                              Algorithm algorithm = Algorithm::sha256);
  /// Session and repository must match: an id alone opens nothing.
  Result<Upload> find_upload(const std::string& repository, const std::string& id);
  /// The same for a push in one request, which no client knows of: claimed already, so that its bytes are found should
  /// this process die. The repository is of kind `kind`.
  Result<Upload> begin_push(const std::string& repository, std::string_view kind, const std::string& who,
                            std::size_t open_max);
  /// Takes a session over for one request that writes to its file: from now on only its new epoch may save. Where
  /// somebody else claimed it and never saved, and its token tells of no bytes in the store, it goes on in a location
  /// of its own, and the other's is queued for deletion.
  Result<Upload> claim_upload(const std::string& repository, const std::string& id);
  /// Saves a session whose last saved position was `from`; conflict where a later request has claimed or saved it.
  Result<> save_upload(const Upload& upload, std::uint64_t from);
  /// Ends a session without a blob, unless it has ended, or somebody touched it at or after `untouched_since`.
  Result<UploadEnd> remove_upload(const std::string& id, std::optional<Timestamp> untouched_since = std::nullopt);
  /// Sessions nobody touched since `before`.
  Result<std::vector<Upload>> stale_uploads(Timestamp before, std::size_t limit);

  /// Names that were found without asking the database, and others.
  std::uint64_t cache_hits() const { return m_blobs.hits() + (m_database.is_shared() ? 0 : m_names.hits()); }
  std::uint64_t cache_misses() const {
    return m_blobs.misses() + m_names.misses() + (m_database.is_shared() ? m_names.hits() : 0);
  }

private:
  /// What other processes may change meanwhile is not remembered: of blobs nothing, and of manifests only the bytes
  /// that a name had last, so that they come from the database once.
  Catalog(sql::Database& database, const Clock& clock)
      : m_database(database), m_clock(clock), m_names(50'000, 16U << 20),
        m_blobs(database.is_shared() ? 0 : 100'000, 24U << 20) {}

  std::int64_t now() const { return to_micros(m_clock.now()); }

  // Steps within a transaction (steps.cpp, tags.cpp).
  struct TagPlace {
    const std::string& repository;
    std::int64_t repository_id;
    const std::string& name;
  };
  struct ManifestRow {
    std::int64_t id;
    std::int64_t digest_id;  // of the name that is meant
    const Digest& digest;
  };
  /// Throws StatementFailed with a conflict where the repository is of another kind.
  std::int64_t ensure_repository(sql::Session& session, const std::string& name, std::string_view kind = "oci");
  static std::int64_t ensure_digest(sql::Session& session, const Digest& digest);
  /// The manifest of those bytes with its edges; `digest` is the row of its name.
  std::int64_t ensure_manifest(sql::Session& session, const NewManifest& manifest, std::int64_t digest);
  void give_manifest(sql::Session& session, const std::string& repository, std::int64_t repository_id,
                     const NewManifest& manifest, std::int64_t id, const std::string& who);
  /// A row of a tag's history, whose `digest` is absent where it was deleted.
  void record_tag_move(sql::Session& session, const std::string& repository, const std::string& tag,
                       const std::string& who, TagEvent event, const std::optional<std::string>& digest);
  void point_tag(sql::Session& session, const TagPlace& tag, const ManifestRow& manifest, const std::string& who,
                 TagEvent event);
  Result<TagMoved> move_tag(sql::Session& session, const TagPlace& tag, const Digest& to, const std::string& who,
                            TagEvent event);
  Result<Upload> open_upload(Upload upload, std::string_view kind, const std::string& who, std::size_t open_max);
  std::optional<blob::Location> take_upload(sql::Session& session, const std::string& id);
  Result<> end_upload(sql::Session& session, const UploadClaim& claim, const blob::Location* kept);
  Result<std::optional<StoredManifest>> resolve(const std::string& key, std::string_view select,
                                                std::vector<sql::Parameter> name);
  void name_changes(sql::Session& session, const std::string& key);
  void blob_changes(sql::Session& session, const std::string& key);
  /// What else goes with a membership that was just deleted.
  void forget_membership(sql::Session& session, const std::string& repository, std::int64_t blob);
  void queue_deletion(sql::Session& session, const blob::Location& unwanted);
  Result<std::optional<blob::Location>> leftovers_of(const blob::Location& location);
  void add_location(sql::Session& session, std::int64_t blob, const blob::Location& location,
                    const std::string& store_id);
  bool drop_location(sql::Session& session, const blob::Location& location);
  void enter_fresh(sql::Session& session, std::span<const BatchedBlob* const> blobs, const std::string& store_id,
                   std::vector<std::int64_t>& ids);
  StoredBlob enter_blob(sql::Session& session, const std::vector<Digest>& digests, const blob::Location& location,
                        const std::string& store_id, bool replace);
  std::vector<blob::Location> put_entry(sql::Session& session, const std::string& cache, const std::string& key,
                                        const Digest& digest, const StoredBlob& blob);
  std::int64_t take_entry(sql::Session& session, const std::string& cache, std::int64_t repository,
                          const std::string& key);
  std::vector<blob::Location> free_blob(sql::Session& session, std::int64_t blob);
  std::optional<StoredBlob> known_blob(sql::Session& session, const Digest& digest);
  void give(sql::Session& session, const std::string& repository, std::int64_t blob, std::string_view kind = "oci");

  sql::Database& m_database;
  const Clock& m_clock;
  NameCache<StoredManifest> m_names;  // "repository\0tag" and "repository\0digest"
  NameCache<StoredBlob> m_blobs;      // "repository\0digest"

  std::mutex m_locations_mutex;  // guards the two below
  std::uint64_t m_next_location = 0;
  std::uint64_t m_locations_end = 0;
};

}  // namespace slipway::catalog
