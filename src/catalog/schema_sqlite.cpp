// SQLite's tables. What is said here of a table and its columns holds for every database.

#include "catalog/schema.hpp"

namespace slipway::catalog {
namespace {

// Times are microseconds since 1970 UTC. Names order bytewise (SQLite's BINARY is that already).
constexpr const char* first = R"sql(
-- Single values: store_id (the store this catalog belongs to), catalog_id, next_location (first id not yet reserved),
-- admin_token (SHA-256 of it), token_key (signs the tokens given to clients).
CREATE TABLE setting (
  name   TEXT PRIMARY KEY,
  value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE repository (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  kind        TEXT NOT NULL,           -- 'oci', 'cas'; later 'cache', 'tree', 'opam', 'haiku'
  created_at  INTEGER NOT NULL
) STRICT;

-- Content, apart from where it lies (location), how it is called (digest) and who has it (membership).
CREATE TABLE blob (
  id          INTEGER PRIMARY KEY,
  size        INTEGER NOT NULL,        -- bytes
  created_at  INTEGER NOT NULL
) STRICT;

-- A name by content. What it names may be absent: edges point here, and a blob or manifest arrives under them later.
CREATE TABLE digest (
  id         INTEGER PRIMARY KEY,
  algorithm  INTEGER NOT NULL,         -- 1 sha256, 2 sha512
  value      BLOB NOT NULL,
  blob       INTEGER REFERENCES blob(id),
  manifest   INTEGER REFERENCES manifest(id),
  UNIQUE (algorithm, value)
) STRICT;
CREATE INDEX digest_blob ON digest(blob) WHERE blob IS NOT NULL;
CREATE INDEX digest_manifest ON digest(manifest) WHERE manifest IS NOT NULL;

-- Where a blob's bytes lie. Ids come from reserved ranges and are never used twice.
CREATE TABLE location (
  id      INTEGER PRIMARY KEY,
  blob    INTEGER NOT NULL REFERENCES blob(id),
  store   TEXT NOT NULL,               -- identity of the store
  kind    INTEGER NOT NULL,            -- 1 raw, 3 pack; later recipe
  key     TEXT NOT NULL,               -- the store's name for the object
  offset  INTEGER NOT NULL,            -- of the bytes within the object
  length  INTEGER NOT NULL,
  state   INTEGER NOT NULL             -- 1 whole
) STRICT;
CREATE INDEX location_blob ON location(blob);

-- A recipe's or a pack member's location needs others.
CREATE TABLE location_needs (
  location  INTEGER NOT NULL REFERENCES location(id),
  needs     INTEGER NOT NULL REFERENCES location(id),
  PRIMARY KEY (location, needs)
) STRICT, WITHOUT ROWID;

-- A repository has a blob: whoever may pull from it may read the blob.
CREATE TABLE membership (
  repository  INTEGER NOT NULL REFERENCES repository(id),
  blob        INTEGER NOT NULL REFERENCES blob(id),
  since       INTEGER NOT NULL,
  PRIMARY KEY (repository, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_blob ON membership(blob);

-- Manifests, byte for byte as pushed.
CREATE TABLE manifest (
  id             INTEGER PRIMARY KEY,
  bytes          BLOB NOT NULL,
  artifact_type  TEXT,                 -- artifactType, else config.mediaType of an image; NULL for neither
  subject        INTEGER REFERENCES digest(id),
  annotations    TEXT,                 -- the annotations object, for referrers lists; NULL without
  created_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX manifest_subject ON manifest(subject) WHERE subject IS NOT NULL;

-- A repository has a manifest, under the media type it was pushed with there.
CREATE TABLE repository_manifest (
  repository  INTEGER NOT NULL REFERENCES repository(id),
  manifest    INTEGER NOT NULL REFERENCES manifest(id),
  media_type  TEXT NOT NULL,
  pushed_at   INTEGER NOT NULL,
  pushed_by   TEXT NOT NULL,
  PRIMARY KEY (repository, manifest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_manifest_manifest ON repository_manifest(manifest);

-- What a manifest points at: its descriptors, in order.
CREATE TABLE edge (
  manifest    INTEGER NOT NULL REFERENCES manifest(id),
  ordinal     INTEGER NOT NULL,
  kind        INTEGER NOT NULL,        -- 1 config, 2 layer, 3 child of an index (a manifest or a plain blob), 4 subject
  digest      INTEGER NOT NULL REFERENCES digest(id),
  media_type  TEXT NOT NULL,
  size        INTEGER NOT NULL,        -- as the descriptor says
  PRIMARY KEY (manifest, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_digest ON edge(digest);

CREATE TABLE tag (
  repository  INTEGER NOT NULL REFERENCES repository(id),
  name        TEXT NOT NULL,
  manifest    INTEGER NOT NULL REFERENCES manifest(id),
  digest      INTEGER NOT NULL REFERENCES digest(id),  -- the one it was pushed by
  updated_at  INTEGER NOT NULL,
  PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_manifest ON tag(manifest);

-- Every move of every tag. Names its repository by text, to outlive it.
CREATE TABLE tag_history (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  repository  TEXT NOT NULL,
  name        TEXT NOT NULL,
  at          INTEGER NOT NULL,
  who         TEXT NOT NULL,
  digest      TEXT                     -- where it pointed from then on; NULL: deleted
) STRICT;
CREATE INDEX tag_history_name ON tag_history(repository, name, id);

-- Upload sessions. `position` and `token` are one state, committed before the client hears of it.
CREATE TABLE upload (
  id          TEXT PRIMARY KEY,        -- 32 hex digits, in the client's URL
  repository  INTEGER NOT NULL REFERENCES repository(id),
  location    INTEGER NOT NULL,        -- reserved for its bytes
  position    INTEGER NOT NULL,        -- bytes acknowledged
  token       BLOB NOT NULL,           -- empty before the first byte; has the bytes themselves while they are few
  epoch       INTEGER NOT NULL,        -- raised by each request that writes to its file: an older one can no longer save
  started_at  INTEGER NOT NULL,
  touched_at  INTEGER NOT NULL,
  who         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_touched ON upload(touched_at);

-- Bytes to remove: a row first, then the bytes, then the row.
CREATE TABLE deletion (
  location   INTEGER PRIMARY KEY,
  kind       INTEGER NOT NULL,         -- 1 raw; 2 an upload that ended without a blob, key is its token; 4 a whole pack
  key        TEXT NOT NULL,
  queued_at  INTEGER NOT NULL
) STRICT;

-- The journal's outbox: what a rebuild from the store alone must know, in commit order. Segments take rows from here.
CREATE TABLE journal (
  sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
  at        INTEGER NOT NULL,
  event     TEXT NOT NULL,
  body      TEXT NOT NULL              -- JSON
) STRICT;
)sql";

// Referrers are found by membership: a page costs the same however many other repositories refer to the same subject.
constexpr const char* referrers = R"sql(
ALTER TABLE repository_manifest ADD COLUMN subject INTEGER REFERENCES digest(id);  -- the manifest's own
ALTER TABLE repository_manifest ADD COLUMN artifact_type TEXT;                     -- the manifest's own
UPDATE repository_manifest SET
  subject = (SELECT m.subject FROM manifest m WHERE m.id = manifest),
  artifact_type = (SELECT m.artifact_type FROM manifest m WHERE m.id = manifest);
CREATE INDEX referrer ON repository_manifest(repository, subject, manifest) WHERE subject IS NOT NULL;
CREATE INDEX referrer_type ON repository_manifest(repository, subject, artifact_type, manifest) WHERE subject IS NOT NULL;
DROP INDEX manifest_subject;

-- What an upload's bytes are hashed by as they come; a digest asked for by another costs one more reading.
ALTER TABLE upload ADD COLUMN algorithm INTEGER NOT NULL DEFAULT 1;
)sql";

// A plain HTTP cache is a repository of kind 'cas' whose blobs are known by keys of the clients' choosing.
constexpr const char* cache_entries = R"sql(
CREATE TABLE cache_entry (
  repository  INTEGER NOT NULL REFERENCES repository(id),
  key         TEXT NOT NULL,
  blob        INTEGER NOT NULL REFERENCES blob(id),
  digest      INTEGER NOT NULL REFERENCES digest(id),
  used_at     INTEGER NOT NULL,        -- the least recently used go first; told in batches
  PRIMARY KEY (repository, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_entry_used ON cache_entry(repository, used_at);
CREATE INDEX cache_entry_blob ON cache_entry(blob, repository);

-- Of all entries of a cache together, kept by the writes that change it: counting anew would cost as much as it holds.
CREATE TABLE cache_usage (
  repository  INTEGER PRIMARY KEY REFERENCES repository(id),
  entries     INTEGER NOT NULL,
  bytes       INTEGER NOT NULL         -- each entry's, even where entries share a blob
) STRICT;
)sql";

// Small blobs lie in packs. What of a pack is still wanted is counted by the writes that change it, so that finding
// those worth compacting costs what they are, not what there is.
constexpr const char* packs = R"sql(
CREATE TABLE pack (
  key           TEXT PRIMARY KEY,
  blobs         INTEGER NOT NULL,      -- locations in it
  bytes         INTEGER NOT NULL,      -- theirs
  condemned_at  INTEGER                -- its bytes are being removed: no location may be put into it any more
) STRICT, WITHOUT ROWID;
CREATE INDEX pack_bytes ON pack(bytes) WHERE condemned_at IS NULL;
CREATE INDEX pack_condemned ON pack(condemned_at) WHERE condemned_at IS NOT NULL;
CREATE INDEX upload_location ON upload(location);
CREATE INDEX location_pack ON location(key, id) WHERE kind = 3;
)sql";

// The journal in the store (journal.hpp) is fed from here: every row of a table it tells of leaves its key when it
// changes, by a trigger, so that no write can forget to.
constexpr const char* journal = R"sql(
DROP TABLE journal;  -- lines that nobody ever read

-- Which rows changed. The newest one always stays, so that no sequence is given out twice.
CREATE TABLE change (
  sequence  INTEGER PRIMARY KEY,
  entity    INTEGER NOT NULL,            -- the table: journal_tables.cpp numbers them
  id        INTEGER NOT NULL DEFAULT 0,  -- this and the next two: its key, as far as the table has such a column
  other     INTEGER NOT NULL DEFAULT 0,
  name      TEXT NOT NULL DEFAULT '',
  mark      INTEGER NOT NULL DEFAULT (random())  -- tells a change from another of its number, of an older copy's future
) STRICT;

-- Where the journal is: at most one row.
CREATE TABLE journal_state (
  generation  TEXT NOT NULL,
  schema      INTEGER NOT NULL,          -- the version whose tables it tells of
  finished    INTEGER NOT NULL,          -- changes up to this one are in the store for good
  mark        INTEGER NOT NULL,          -- its
  superseded  TEXT NOT NULL,             -- the generation in whose place this one came: to be removed
  planned     TEXT NOT NULL              -- one that is being begun: to be removed unless it came to be this one
) STRICT;

-- Until the journal has this change, a rebuilt catalog would look for the bytes of a pack where they were before.
ALTER TABLE deletion ADD COLUMN change INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER repository_inserted AFTER INSERT ON repository
  BEGIN INSERT INTO change (entity, id) VALUES (2, NEW.id); END;
CREATE TRIGGER repository_updated AFTER UPDATE ON repository
  BEGIN INSERT INTO change (entity, id) VALUES (2, NEW.id); END;
CREATE TRIGGER repository_deleted AFTER DELETE ON repository
  BEGIN INSERT INTO change (entity, id) VALUES (2, OLD.id); END;

CREATE TRIGGER blob_inserted AFTER INSERT ON blob
  BEGIN INSERT INTO change (entity, id) VALUES (3, NEW.id); END;
CREATE TRIGGER blob_updated AFTER UPDATE ON blob
  BEGIN INSERT INTO change (entity, id) VALUES (3, NEW.id); END;
CREATE TRIGGER blob_deleted AFTER DELETE ON blob
  BEGIN INSERT INTO change (entity, id) VALUES (3, OLD.id); END;

CREATE TRIGGER digest_inserted AFTER INSERT ON digest
  BEGIN INSERT INTO change (entity, id) VALUES (4, NEW.id); END;
CREATE TRIGGER digest_updated AFTER UPDATE ON digest
  BEGIN INSERT INTO change (entity, id) VALUES (4, NEW.id); END;
CREATE TRIGGER digest_deleted AFTER DELETE ON digest
  BEGIN INSERT INTO change (entity, id) VALUES (4, OLD.id); END;

CREATE TRIGGER location_inserted AFTER INSERT ON location
  BEGIN INSERT INTO change (entity, id) VALUES (5, NEW.id); END;
CREATE TRIGGER location_updated AFTER UPDATE ON location
  BEGIN INSERT INTO change (entity, id) VALUES (5, NEW.id); END;
CREATE TRIGGER location_deleted AFTER DELETE ON location
  BEGIN INSERT INTO change (entity, id) VALUES (5, OLD.id); END;

CREATE TRIGGER membership_inserted AFTER INSERT ON membership
  BEGIN INSERT INTO change (entity, id, other) VALUES (6, NEW.repository, NEW.blob); END;
CREATE TRIGGER membership_updated AFTER UPDATE ON membership
  BEGIN INSERT INTO change (entity, id, other) VALUES (6, NEW.repository, NEW.blob); END;
CREATE TRIGGER membership_deleted AFTER DELETE ON membership
  BEGIN INSERT INTO change (entity, id, other) VALUES (6, OLD.repository, OLD.blob); END;

-- Its edges come and go with it.
CREATE TRIGGER manifest_inserted AFTER INSERT ON manifest
  BEGIN INSERT INTO change (entity, id) VALUES (7, NEW.id); END;
CREATE TRIGGER manifest_updated AFTER UPDATE ON manifest
  BEGIN INSERT INTO change (entity, id) VALUES (7, NEW.id); END;
CREATE TRIGGER manifest_deleted AFTER DELETE ON manifest
  BEGIN INSERT INTO change (entity, id) VALUES (7, OLD.id); END;

CREATE TRIGGER repository_manifest_inserted AFTER INSERT ON repository_manifest
  BEGIN INSERT INTO change (entity, id, other) VALUES (8, NEW.repository, NEW.manifest); END;
CREATE TRIGGER repository_manifest_updated AFTER UPDATE ON repository_manifest
  BEGIN INSERT INTO change (entity, id, other) VALUES (8, NEW.repository, NEW.manifest); END;
CREATE TRIGGER repository_manifest_deleted AFTER DELETE ON repository_manifest
  BEGIN INSERT INTO change (entity, id, other) VALUES (8, OLD.repository, OLD.manifest); END;

CREATE TRIGGER tag_inserted AFTER INSERT ON tag
  BEGIN INSERT INTO change (entity, id, name) VALUES (9, NEW.repository, NEW.name); END;
CREATE TRIGGER tag_updated AFTER UPDATE ON tag
  BEGIN INSERT INTO change (entity, id, name) VALUES (9, NEW.repository, NEW.name); END;
CREATE TRIGGER tag_deleted AFTER DELETE ON tag
  BEGIN INSERT INTO change (entity, id, name) VALUES (9, OLD.repository, OLD.name); END;

CREATE TRIGGER tag_history_inserted AFTER INSERT ON tag_history
  BEGIN INSERT INTO change (entity, id) VALUES (10, NEW.id); END;
CREATE TRIGGER tag_history_updated AFTER UPDATE ON tag_history
  BEGIN INSERT INTO change (entity, id) VALUES (10, NEW.id); END;
CREATE TRIGGER tag_history_deleted AFTER DELETE ON tag_history
  BEGIN INSERT INTO change (entity, id) VALUES (10, OLD.id); END;

-- When an entry was used last changes with every pull: it is told when something else of the entry is.
CREATE TRIGGER cache_entry_inserted AFTER INSERT ON cache_entry
  BEGIN INSERT INTO change (entity, id, name) VALUES (11, NEW.repository, NEW.key); END;
CREATE TRIGGER cache_entry_updated AFTER UPDATE OF repository, key, blob, digest ON cache_entry
  BEGIN INSERT INTO change (entity, id, name) VALUES (11, NEW.repository, NEW.key); END;
CREATE TRIGGER cache_entry_deleted AFTER DELETE ON cache_entry
  BEGIN INSERT INTO change (entity, id, name) VALUES (11, OLD.repository, OLD.key); END;
-- The key that signs tokens is nobody's business but the server's, and a rebuilt catalog counts its locations anew.
CREATE TRIGGER setting_inserted AFTER INSERT ON setting WHEN NEW.name NOT IN ('token_key', 'next_location')
  BEGIN INSERT INTO change (entity, name) VALUES (1, NEW.name); END;
CREATE TRIGGER setting_updated AFTER UPDATE ON setting WHEN NEW.name NOT IN ('token_key', 'next_location')
  BEGIN INSERT INTO change (entity, name) VALUES (1, NEW.name); END;
CREATE TRIGGER setting_deleted AFTER DELETE ON setting WHEN OLD.name NOT IN ('token_key', 'next_location')
  BEGIN INSERT INTO change (entity, name) VALUES (1, OLD.name); END;
)sql";

// Work that one server at a time does for all that share a catalog.
constexpr const char* leases = R"sql(
CREATE TABLE lease (
  name      TEXT PRIMARY KEY,
  holder    TEXT NOT NULL,               -- a process
  until_at  INTEGER NOT NULL             -- then anybody may take it
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* announced_packs = R"sql(
ALTER TABLE pack ADD COLUMN announced_at INTEGER;  -- nothing was entered yet: its bytes may come, or never have come
)sql";

constexpr const char* tag_events = R"sql(
ALTER TABLE tag_history ADD COLUMN event TEXT;  -- 'promote', 'rollback'; NULL: a push, or without a digest a deletion
CREATE INDEX tag_name ON tag(name);
)sql";

// What a repository keeps for good, under names of its own: a source archive under each of its checksums.
constexpr const char* pins = R"sql(
CREATE TABLE pin (
  repository  INTEGER NOT NULL REFERENCES repository(id),
  name        TEXT NOT NULL,
  blob        INTEGER NOT NULL REFERENCES blob(id),
  digest      INTEGER NOT NULL REFERENCES digest(id),
  since       INTEGER NOT NULL,
  PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_blob ON pin(blob, repository);
CREATE TRIGGER pin_inserted AFTER INSERT ON pin
  BEGIN INSERT INTO change (entity, id, name) VALUES (12, NEW.repository, NEW.name); END;
CREATE TRIGGER pin_updated AFTER UPDATE ON pin
  BEGIN INSERT INTO change (entity, id, name) VALUES (12, NEW.repository, NEW.name); END;
CREATE TRIGGER pin_deleted AFTER DELETE ON pin
  BEGIN INSERT INTO change (entity, id, name) VALUES (12, OLD.repository, OLD.name); END;
)sql";

// What a server last told of its work, for the others to show. Nobody acts upon it, so it is in no journal.
constexpr const char* reports = R"sql(
CREATE TABLE report (
  name   TEXT PRIMARY KEY,
  value  TEXT NOT NULL,
  at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- How often something of a repository was fetched in a month (202611): by name, and never by whom.
CREATE TABLE tally (
  repository  TEXT NOT NULL,
  name        TEXT NOT NULL,
  month       INTEGER NOT NULL,
  count       INTEGER NOT NULL,
  PRIMARY KEY (repository, name, month)
) STRICT, WITHOUT ROWID;
-- When something of a repository was first published: by name.
CREATE TABLE first_published (
  repository  TEXT NOT NULL,
  name        TEXT NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* ledger = R"sql(
CREATE TABLE IF NOT EXISTS migration (
  version        INTEGER PRIMARY KEY,
  oldest_reader  INTEGER NOT NULL,
  applied_at     INTEGER NOT NULL
) STRICT
)sql";

constexpr Migration all[] = {{1, 1, first},   {2, 2, referrers}, {3, 2, cache_entries},   {4, 4, packs},
                             {5, 5, journal}, {6, 5, leases},    {7, 5, announced_packs}, {8, 5, tag_events},
                             {9, 5, pins},    {10, 5, reports}};

}  // namespace

const Schema& sqlite_schema() {
  // It is told not to check references when it is opened to be filled, and counts ids from what is there. What is begun
  // anew is a new file.
  static constexpr Schema schema{ledger, all, "", "", ""};
  return schema;
}

}  // namespace slipway::catalog
