"""Clients that do everything a registry and a cache can do, for a record of what the disk was told meanwhile."""

import json
import random
import threading

from power_history import ABSENT
from slipway_server import CONFIG, INDEX, LAYER, MANIFEST, Connection, digest_of


class Client(threading.Thread):
    """Works in a repository and a cache of its own, and mounts from another client's. Deterministic but for what the
    others have done by then."""

    def __init__(self, number, server, history, seed, rounds, others):
        super().__init__()
        self.random = random.Random(f"{seed} {number}")
        self.repository, self.cache = f"team/{number}", f"cache-{number}"
        self.history, self.others, self.rounds = history, others, rounds
        self.connection = Connection(server)
        self.blobs, self.manifests, self.tags, self.sessions, self.entries = [], [], {}, [], set()
        self.made = 0
        self.problem = None

    def run(self):
        try:
            for _ in range(self.rounds):
                self.step()
        except BaseException as problem:  # told by whoever joins
            self.problem = problem
        finally:
            self.connection.close()

    def step(self):
        actions = [self.push, self.push, self.post, self.open_session, self.go_on, self.go_on, self.mount,
                   self.put_image, self.put_image, self.put_image_by_digest, self.put_index, self.put_referrer,
                   self.delete_tag, self.delete_manifest, self.delete_blob, self.cancel, self.cas_put, self.cas_put,
                   self.cas_delete]
        self.random.choice(actions)()

    # ---- requests

    def ask(self, method, target, changes, body=b"", headers=(), status=201):
        """A request that changes cells: noted before it is sent, acknowledged by the answer it names."""
        request = self.history.begin(changes)
        answer = self.connection.request(method, target, headers, body)
        if answer.status != status:
            raise AssertionError(f"{method} {target}: {answer}")
        request.name = answer["X-Request-Id"]
        return answer

    def content(self, size=None):
        self.made += 1
        if size is None:
            size = self.random.choice((0, 1, 700, 5000, 5000, 20_000, 70_000))
        data = f"{self.repository} {self.made} ".encode() + self.random.randbytes(size)
        self.history.contents[digest_of(data)] = data
        return data

    def blob(self, digest, repository=None):
        return ("blob", repository or self.repository, digest)

    # ---- blobs

    def push(self, size=None):
        data = self.content(size)
        digest = digest_of(data)
        path = self.begin({})["Location"]
        self.ask("PUT", f"{path}?digest={digest}", {self.blob(digest): True}, data)
        self.blobs.append(data)
        return data

    def post(self):
        data = self.content()
        digest = digest_of(data)
        self.ask("POST", f"/v2/{self.repository}/blobs/uploads/?digest={digest}", {self.blob(digest): True}, data)
        self.blobs.append(data)

    def begin(self, changes):
        return self.ask("POST", f"/v2/{self.repository}/blobs/uploads/", changes, status=202)

    def open_session(self):
        data = self.content(self.random.choice((3000, 50_000, 120_000)))
        path = self.begin({})["Location"]
        self.history.contents[path] = data
        self.ask("PATCH", path, {("session", path): 1000}, data[:1000], [("Content-Range", "0-999")], status=202)
        self.sessions.append((path, data, 1000))

    def go_on(self):
        if not self.sessions:
            return self.open_session()
        path, data, offset = self.sessions.pop(0)
        end = min(len(data), offset + self.random.randrange(1, 30_000))
        if end == len(data):
            digest = digest_of(data)
            changes = {("session", path): ABSENT, self.blob(digest): True}
            self.ask("PUT", f"{path}?digest={digest}", changes, data[offset:])
            self.blobs.append(data)
            return None
        piece = [("Content-Range", f"{offset}-{end - 1}")]
        self.ask("PATCH", path, {("session", path): end}, data[offset:end], piece, status=202)
        self.sessions.append((path, data, end))
        return None

    def cancel(self):
        if len(self.sessions) > 2:
            path, _, _ = self.sessions.pop(0)
            self.ask("DELETE", path, {("session", path): ABSENT}, status=204)

    def mount(self):
        other = self.random.choice(self.others)
        theirs = list(other.blobs)
        if not theirs or other is self:
            return
        data = self.random.choice(theirs)
        digest = digest_of(data)
        target = f"/v2/{self.repository}/blobs/uploads/?mount={digest}&from={other.repository}"
        request = self.history.begin({self.blob(digest): True})
        answer = self.connection.request("POST", target, (), b"")
        if answer.status == 201:
            request.name = answer["X-Request-Id"]
            self.blobs.append(data)
        else:  # its owner deleted it: a session was opened instead
            request.changes = {}
            assert answer.status == 202, answer

    def delete_blob(self):
        if len(self.blobs) > 6:
            digest = digest_of(self.blobs.pop(0))
            if any(digest == digest_of(data) for data in self.blobs) or digest in self.used():
                return
            self.ask("DELETE", f"/v2/{self.repository}/blobs/{digest}", {self.blob(digest): ABSENT}, status=202)

    def used(self):
        """Digests that manifests here point at: what is left of an image must be whole to be checked."""
        return {child for manifest in self.manifests for child in children_of(manifest)}

    # ---- manifests

    def image(self, **more):
        config, layer = self.push(40), self.push()
        return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described(config, CONFIG),
                           "layers": [described(layer, LAYER)], **more}).encode()

    def put_manifest(self, manifest, reference, tags, media_type=MANIFEST, query=""):
        digest = digest_of(manifest)
        self.history.contents[digest] = manifest
        changes = {("manifest", self.repository, digest): True}
        changes |= {("tag", self.repository, tag): digest for tag in tags}
        self.ask("PUT", f"/v2/{self.repository}/manifests/{reference}{query}", changes, manifest,
                 [("Content-Type", media_type)])
        if manifest not in self.manifests:
            self.manifests.append(manifest)
        self.tags |= dict.fromkeys(tags, digest)

    def put_image(self):
        tag = f"t{self.random.randrange(4)}"
        known = self.manifests and self.random.random() < 0.4
        manifest = self.random.choice(self.manifests) if known else self.image()
        self.put_manifest(manifest, tag, [tag], json.loads(manifest)["mediaType"])

    def put_image_by_digest(self):
        manifest = self.image()
        tags = self.random.sample(["a", "b", "c"], self.random.randrange(4))
        self.put_manifest(manifest, digest_of(manifest), tags, query="?" + "&".join(f"tag={tag}" for tag in tags))

    def put_index(self):
        if self.manifests:
            child = self.random.choice(self.manifests)
            entry = described(child, json.loads(child)["mediaType"])
            index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry],
                                "annotations": {"made": str(self.made)}}).encode()
            self.put_manifest(index, "index", ["index"], INDEX)

    def put_referrer(self):
        if self.manifests:
            subject = self.random.choice(self.manifests)
            manifest = self.image(artifactType="application/x-test", subject=described(subject, MANIFEST))
            self.history.subjects[digest_of(manifest)] = digest_of(subject)
            self.put_manifest(manifest, digest_of(manifest), [])

    def delete_tag(self):
        if len(self.tags) > 2:
            tag = self.random.choice(list(self.tags))
            self.ask("DELETE", f"/v2/{self.repository}/manifests/{tag}", {("tag", self.repository, tag): ABSENT},
                     status=202)
            del self.tags[tag]

    def delete_manifest(self):
        used = self.used()
        free = [manifest for manifest in self.manifests if digest_of(manifest) not in used]
        if len(free) > 4:
            manifest = free[0]
            digest = digest_of(manifest)
            tags = [tag for tag, points_at in self.tags.items() if points_at == digest]
            changes = {("manifest", self.repository, digest): ABSENT}
            changes |= {("tag", self.repository, tag): ABSENT for tag in tags}
            self.ask("DELETE", f"/v2/{self.repository}/manifests/{digest}", changes, status=202)
            self.manifests.remove(manifest)
            for tag in tags:
                del self.tags[tag]

    # ---- caches

    def cas_put(self):
        key, data = f"k{self.random.randrange(6)}", self.content()
        self.ask("PUT", f"/cas/{self.cache}/{key}", {("entry", self.cache, key): digest_of(data)}, data)
        self.entries.add(key)

    def cas_delete(self):
        if len(self.entries) > 2:
            key = min(self.entries)
            self.ask("DELETE", f"/cas/{self.cache}/{key}", {("entry", self.cache, key): ABSENT}, status=204)
            self.entries.remove(key)


def described(data, media_type):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def children_of(manifest):
    parsed = json.loads(manifest)
    parts = [parsed.get("config"), *parsed.get("layers", ()), *parsed.get("manifests", ())]
    return {part["digest"] for part in parts if part}


def work(server, history, seed, clients, rounds):
    """Runs the clients to their end."""
    team = []
    team += [Client(number, server, history, seed, rounds, team) for number in range(clients)]
    for client in team:
        client.start()
    for client in team:
        client.join()
    for client in team:
        if client.problem:
            raise client.problem
