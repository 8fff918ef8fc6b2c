"""A client of the kill -9 proof: what it does with manifests and tags, and how often it does what."""

import protocol_model as model
from crash_blobs import BlobOperations
from crash_exchange import REPOSITORIES, SHARED_TAGS, ServerGone, blob_key, puts, removes
from crash_model import Key
from slipway_server import digest_of

CONTENTS_MAX, MANIFESTS_MAX = 10, 14
TYPES = ["application/x.sbom", "application/x.signature"]


class Client(BlobOperations):
    # --- Manifests

    def there(self, repository):
        return [manifest for where, manifest in self.manifests
                if where == repository and self.book.now(Key("manifest", where, digest_of(manifest.body)))]

    def new_manifest(self, repository):
        note = f"{self.world.round}/{self.number}/{self.made}"
        self.made += 1
        known = self.there(repository)
        subject = artifact_type = None
        if known and self.chance(0.4):
            to = self.random.choice(known)
            subject = model.descriptor(digest_of(to.body), len(to.body), to.media_type)
            artifact_type = self.random.choice([None, *TYPES])
        if known and self.chance(0.25):
            children = self.random.sample(known, min(len(known), self.random.randrange(1, 4)))
            described = [(digest_of(child.body), len(child.body), child.media_type) for child in children]
            return model.make_index(described, subject, artifact_type, note=note)
        parts = [self.content() for _ in range(self.random.randrange(1, 4))]
        for content in parts:
            if not self.book.now(blob_key(repository, content)):
                self.blob_push(content, repository)
        described = [(content.digest, len(content.data)) for content in parts]
        return model.make_image(described[0], described[1:], subject, artifact_type, note=note)

    def own_tag(self):
        return f"c{self.number}-t{self.random.randrange(4)}"

    def manifest_put(self, tag=None):
        """A new one by a tag, by its digest, or by its digest with several tags; or one of ours gets another tag."""
        repository = self.repository()
        known = self.there(repository)
        manifest = self.random.choice(known) if known and self.chance(0.25) else self.new_manifest(repository)
        digest = digest_of(manifest.body)
        if (repository, manifest) not in self.manifests:
            self.manifests.append((repository, manifest))
            self.world.manifests[digest] = manifest
        kind = self.random.randrange(3)
        tags = [tag] if tag else []
        kind_name, reference = "manifest put by digest", digest
        if kind == 0 or (tag and kind == 1):
            tags = tags or [self.own_tag()]
            kind_name, reference = "manifest put by tag", tags[0]
        elif kind == 2:
            tags = sorted({*tags, *(self.own_tag() for _ in range(self.random.randrange(1, 4)))})
            kind_name, reference = "manifest put with ?tag=", digest + "?" + "&".join(f"tag={name}" for name in tags)
        effects = [puts(Key("manifest", repository, digest)), *(puts(Key("tag", repository, name), digest)
                                                                for name in tags)]
        self.ask(kind_name, "PUT", f"/v2/{repository}/manifests/{reference}", effects,
                 headers=[("Content-Type", manifest.media_type)], body=manifest.body)

    def manifest_delete(self, repository=None, manifest=None):
        """With all its tags; an index that lists it would point at nothing, and goes first."""
        repository = repository or self.repository()
        known = self.there(repository)
        if manifest is None and not known:
            return
        manifest = manifest or self.random.choice(known)
        digest = digest_of(manifest.body)
        for index in self.users_of(repository, digest):
            self.manifest_delete_if_there(repository, index)
        own = [Key("tag", repository, f"c{self.number}-t{number}") for number in range(4)]
        effects = [removes(Key("manifest", repository, digest)),
                   *(removes(key) for key in own if self.book.now(key) == digest),
                   *(removes(Key("tag", repository, name), only_over=digest) for name in SHARED_TAGS)]
        self.ask("manifest delete", "DELETE", f"/v2/{repository}/manifests/{digest}", effects, [202])
        self.manifests.remove((repository, manifest))

    # --- Tags

    def tag_delete(self):
        key = Key("tag", self.repository(), self.own_tag())
        there = self.book.now(key)
        if not there and self.chance(0.9):
            return
        self.ask("tag delete", "DELETE", key.target(), [removes(key)], [202 if there else 404])

    def shared_tag(self):
        name = self.random.choice(SHARED_TAGS)
        if self.chance(0.8):
            return self.manifest_put(name)
        key = Key("tag", self.repository(), name)
        self.ask("shared tag delete", "DELETE", key.target(), [removes(key)], [202, 404])

    # --- The whole

    def tidy(self):
        """Old things go, so that the next look at everything takes no longer than the last."""
        if len(self.manifests) > MANIFESTS_MAX:
            repository, manifest = self.manifests[0]
            if self.book.now(Key("manifest", repository, digest_of(manifest.body))):
                self.manifest_delete(repository, manifest)
            else:
                self.manifests.pop(0)
        if len(self.contents) > CONTENTS_MAX:
            content = self.contents[0]
            for repository in REPOSITORIES:
                for user in self.users_of(repository, content.digest):
                    self.manifest_delete_if_there(repository, user)
                if self.book.now(blob_key(repository, content)):
                    self.blob_delete(content, repository)
            self.contents.pop(0)

    def manifest_delete_if_there(self, repository, manifest):
        if manifest in self.there(repository):
            self.manifest_delete(repository, manifest)

    def run(self):
        """Until the server is gone; what went wrong is told to the world."""
        self.random.seed(f"{self.world.seed}/{self.world.round}/{self.number}")
        try:
            while True:
                self.tidy()
                self.random.choices(OPERATIONS, WEIGHTS)[0](self)
        except ServerGone:
            pass
        except Exception as error:  # whatever it is, the report must tell it
            self.world.report(self, error)
        finally:
            self.close()


WEIGHTED = {
    Client.blob_push: 6, Client.blob_push_in_two: 4, Client.blob_mount: 4, Client.blob_delete: 3, Client.shared_blob: 5,
    Client.session_patch: 14, Client.session_finish: 2, Client.session_cancel: 1, Client.manifest_put: 10,
    Client.manifest_delete: 3, Client.shared_tag: 6, Client.tag_delete: 3, Client.cache_put: 6, Client.cache_delete: 3,
    Client.shared_entry: 4,
}
OPERATIONS, WEIGHTS = list(WEIGHTED), list(WEIGHTED.values())
