"""Clients of several servers that push, pull and delete, each request at whichever server, and compare every answer with
what they were told before.
"""

import random
import socket
import threading
import time

from replica_model import Name
from slipway_server import MANIFEST, Connection, digest_of, image_manifest
from test_bucket import MIB, noise

SIZES = ((500, 35), (50_000, 22), (90_000, 32), (3 * MIB, 7), (9 * MIB, 4))
LARGE, BUDGET = MIB, 60 * MIB  # of such sizes a client makes no more than that: the object store is in memory, and the
# bytes of a blob that was deleted still wait for collection
PAUSE = 0.2  # seconds at most from act to act, for the same reason
PATIENT, IMPATIENT = 90, 4  # seconds that a client waits for an answer
AGAIN = (429, 503)  # nothing was done
TAGS = [f"tag-{number}" for number in range(5)]
KEYS = [f"key-{number}" for number in range(5)]


class Refused(Exception):
    """Nothing was done."""


class Unsure(Exception):
    """The connection broke, or 500: it was done, or not."""


class GivenUp(Exception):
    """It was done, or will be, or not."""


class ReplicaClient(threading.Thread):
    """Works in a repository and a cache of its own until stop() is called. `common` are seeds of contents that all
    clients push."""

    def __init__(self, number, servers, account, seed, common):
        super().__init__(name=f"client {number}", daemon=True)
        self.servers, self.account, self.common = servers, account, common
        self.turn = random.Random(f"{seed} {number}")
        self.repository, self.cache = f"r{number}", f"c{number}"
        self.blobs = {}  # (size, seed) → Name, whose value is True
        self.large = []  # all it has made
        self.tags = {tag: Name() for tag in TAGS}  # of digests
        self.keys = {key: Name() for key in KEYS}
        self.images = {}  # digest → its bytes, and what its layers are
        self._stopping = threading.Event()
        self._made = 0

    def stop(self):
        self._stopping.set()

    def run(self):
        acts = [(self.push, 30), (self.push_image, 15), (self.check_tag, 15), (self.check_blob, 15), (self.remove_blob, 10),
                (self.remove_tag, 4), (self.remove_image, 4), (self.put_entry, 10), (self.check_entry, 8),
                (self.remove_entry, 4), (self.check_list, 4)]
        while not self._stopping.is_set():
            time.sleep(self.turn.uniform(0, PAUSE))
            act = self.turn.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
            try:
                act()
            except (Refused, Unsure, GivenUp) as end:  # of what changes nothing
                self.account.count(type(end).__name__.lower())
            except Exception as error:
                self.account.problem(self.name, act.__name__, repr(error))
                raise

    # --- Requests

    def ask(self, method, target, body=None, headers=(), server=None):
        """An answer that says what happened; else one of the three exceptions."""
        server = server or self.turn.choice(self.servers)
        try:
            connection = Connection(server, timeout=IMPATIENT if self.turn.random() < 0.3 else PATIENT)
        except OSError:
            raise Refused from None
        with connection:
            try:
                answer = connection.request(method, target, headers, body)
            except socket.timeout:
                raise GivenUp from None
            except (OSError, ConnectionError):
                raise Unsure from None
        self.account.count(f"{method} {answer.status}")
        if answer.status in AGAIN:
            if answer["Retry-After"] is None:
                self.account.problem("no Retry-After", answer)
            raise Refused
        if answer.status == 500 and method != "GET":  # what became of a COMMIT that broke is not always found out
            raise Unsure
        return answer

    def change(self, name, value, *request, expected):
        """Asks for a change of a name to a value, which `expected` answers say was done."""
        try:
            answer = self.ask(*request)
        except Unsure:
            name.may_be(value)
            raise
        except GivenUp:
            name.may_become(value)
            raise
        if answer.status == expected:
            name.is_now(value)
        return answer

    def expect(self, answer, *statuses):
        if answer.status not in statuses:
            self.account.problem(self.name, "expected", statuses, "but", answer)

    # --- Blobs

    def new_blob(self):
        if self.turn.random() < 0.1:
            return self.turn.choice(self.common)
        sizes, weights = zip(*SIZES)
        size = self.turn.choices(sizes, weights)[0]
        if size >= LARGE and sum(size for size, _ in self.large) > BUDGET:
            return self.turn.choice(self.large)  # which may have been deleted
        self._made += 1
        blob = size, f"{self.name} {self._made} {self.turn.random()}"
        if size >= LARGE:
            self.large.append(blob)
        return blob

    def push(self, blob=None):
        """True where it was acknowledged."""
        blob = blob or self.new_blob()
        way = self.turn.choice((self.push_at_once, self.push_in_two, self.push_in_parts, self.push_in_parts))
        name = self.blobs.setdefault(blob, Name())
        way(name, noise(*blob))
        return name.possible == {True}

    def push_at_once(self, name, data):
        answer = self.change(name, True, "POST", f"/v2/{self.repository}/blobs/uploads/?digest={digest_of(data)}", data,
                             expected=201)
        self.expect(answer, 201)

    def begin(self):
        answer = self.ask("POST", f"/v2/{self.repository}/blobs/uploads/", b"")
        self.expect(answer, 202)
        return answer["Location"]

    def push_in_two(self, name, data):
        answer = self.change(name, True, "PUT", f"{self.begin()}?digest={digest_of(data)}", data, expected=201)
        self.expect(answer, 201)

    def push_in_parts(self, name, data):
        """A session, each request of which goes to another server; after a failure it goes on where it stands."""
        path, kept, sent = self.begin(), 0, 0
        for _ in range(12):
            try:
                while kept < len(data):
                    piece = data[kept:kept + self.turn.choice((4 * MIB, 7 * MIB, 20_000, len(data)))]
                    sent = max(sent, kept + len(piece))
                    fields = [("Content-Range", f"{kept}-{kept + len(piece) - 1}"),
                              ("Content-Type", "application/octet-stream")]
                    answer = self.ask("PATCH", path, piece, fields)
                    if answer.status in (409, 416):  # a request that was given up came back
                        raise Unsure
                    self.expect(answer, 202)
                    if answer.status != 202:
                        return
                    kept += len(piece)
                answer = self.change(name, True, "PUT", f"{path}?digest={digest_of(data)}", b"", expected=201)
                if answer.status in (409, 416):
                    raise Unsure
                if answer.status != 404 or True not in name.possible:  # else one that was given up has ended the session
                    self.expect(answer, 201)
                return
            except (Refused, Unsure, GivenUp) as end:
                self.account.count(type(end).__name__.lower())
                stands = self.where(path)
                if stands is None:
                    continue
                if stands < 0:
                    if True not in name.possible:
                        self.account.problem(self.name, "an acknowledged session is gone", path, kept)
                    return
                if not kept <= stands <= sent:
                    self.account.problem(self.name, "a session stands at", stands, "acknowledged", kept, "sent", sent)
                    return
                kept = stands

    def where(self, path):
        """Where a session stands; -1: it is gone; None: nobody says."""
        try:
            answer = self.ask("GET", path)
        except (Refused, Unsure, GivenUp):
            return None
        self.expect(answer, 204, 404)
        if answer.status != 204:
            return -1
        return int(answer["Range"].split("-")[1]) + 1 if answer["Range"] != "0-0" else 0

    def read_blob(self, blob, name, server=None):
        data = noise(*blob)
        answer = self.ask("GET", f"/v2/{self.repository}/blobs/{digest_of(data)}", server=server)
        self.expect(answer, 200, 404)
        found = True if answer.status == 200 else None
        if found and answer.body != data:
            self.account.problem(self.name, "wrong bytes of", blob, answer.status, len(answer.body))
        if found not in name.possible:
            self.account.problem(self.name, "a blob", blob, "is", found, "but may be", name.possible)

    def check_blob(self):
        if self.blobs:
            blob = self.turn.choice(list(self.blobs))
            self.read_blob(blob, self.blobs[blob])

    def remove_blob(self):
        """None that an image has."""
        if not self.blobs:
            return
        blob = self.turn.choice([blob for blob in self.blobs if blob[0] >= LARGE] or list(self.blobs))
        name = self.blobs[blob]
        answer = self.change(name, None, "DELETE", f"/v2/{self.repository}/blobs/{digest_of(noise(*blob))}", expected=202)
        self.removed(answer, name)
        if name.possible == {None} and blob not in self.common:
            del self.blobs[blob]

    def removed(self, answer, name):
        self.expect(answer, 202, 204, 404)
        if answer.status == 404 and None not in name.possible:
            self.account.problem(self.name, "what was acknowledged is not there to remove", answer)

    # --- Images

    def push_image(self):
        """Its blobs, of no other image, then its manifest with a tag."""
        parts = [(self.turn.choice((300, 80_000)), f"{self.name} image {self._made} {part}") for part in range(3)]
        self._made += 1
        for part in parts:
            name = Name()
            self.push_at_once(name, noise(*part))
        config, *layers = (noise(*part) for part in parts)
        content = image_manifest(config, layers)
        digest = digest_of(content)
        self.images[digest] = content, parts
        tag = self.turn.choice(TAGS)
        answer = self.change(self.tags[tag], digest, "PUT", f"/v2/{self.repository}/manifests/{tag}", content,
                             [("Content-Type", MANIFEST)], expected=201)
        self.expect(answer, 201)

    def check_tag(self, tag=None, server=None):
        """Whatever it points at is whole, at whichever server."""
        tag = tag or self.turn.choice(TAGS)
        name = self.tags[tag]
        answer = self.ask("GET", f"/v2/{self.repository}/manifests/{tag}", headers=[("Accept", MANIFEST)], server=server)
        self.expect(answer, 200, 404)
        found = digest_of(answer.body) if answer.status == 200 else None
        if found not in name.possible:
            self.account.problem(self.name, tag, "is", found, "but may be", name.possible)
        if found is None or found not in self.images:
            return
        if answer["Docker-Content-Digest"] != found or answer.body != self.images[found][0]:
            self.account.problem(self.name, "a manifest that is none", answer)
        for part in self.images[found][1]:
            whole = Name()
            whole.is_now(True)
            self.read_blob(part, whole)

    def remove_tag(self):
        tag = self.turn.choice(TAGS)
        answer = self.change(self.tags[tag], None, "DELETE", f"/v2/{self.repository}/manifests/{tag}", expected=202)
        self.removed(answer, self.tags[tag])

    def remove_image(self):
        """By its digest, and with it its tag."""
        known = [tag for tag, name in self.tags.items() if name.is_certain()]
        if not known:
            return
        name = self.tags[self.turn.choice(known)]
        answer = self.change(name, None, "DELETE", f"/v2/{self.repository}/manifests/{name.any()}", expected=202)
        self.removed(answer, name)

    def check_list(self):
        answer = self.ask("GET", f"/v2/{self.repository}/tags/list")
        self.expect(answer, 200, 404)
        listed = set(answer.json()["tags"] or ()) if answer.status == 200 else set()
        for tag, name in self.tags.items():
            if tag in listed and name.possible == {None} or tag not in listed and None not in name.possible:
                self.account.problem(self.name, tag, "in a list:", tag in listed, "but may be", name.possible)

    # --- A cache

    def put_entry(self):
        key = self.turn.choice(KEYS)
        self._made += 1
        entry = (self.turn.choice((400, 120_000)), f"{self.name} entry {self._made}")
        answer = self.change(self.keys[key], entry, "PUT", f"/cas/{self.cache}/{key}", noise(*entry), expected=201)
        self.expect(answer, 201)

    def check_entry(self, key=None, server=None):
        key = key or self.turn.choice(KEYS)
        name = self.keys[key]
        answer = self.ask("GET", f"/cas/{self.cache}/{key}", server=server)
        self.expect(answer, 200, 404)
        found = [entry for entry in name.possible if answer.body == (noise(*entry) if entry else b"")] \
            if answer.status == 200 else [None]
        if not found or found[0] not in name.possible:
            self.account.problem(self.name, key, answer.status, len(answer.body), "but may be", name.possible)

    def remove_entry(self):
        key = self.turn.choice(KEYS)
        answer = self.change(self.keys[key], None, "DELETE", f"/cas/{self.cache}/{key}", expected=204)
        self.removed(answer, self.keys[key])

    # --- At the end

    def check_everywhere(self):
        """Every name at every server; all of them work now."""
        try:
            for server in self.servers:
                for tag in TAGS:
                    self.check_tag(tag, server)
                for key in KEYS:
                    self.check_entry(key, server)
                for blob, name in self.blobs.items():
                    self.read_blob(blob, name, server)
        except Exception as error:  # of a thread, which nobody else would hear of
            self.account.problem(self.name, "at the end", repr(error))
        for what, names in (("blobs", self.blobs), ("tags", self.tags), ("entries", self.keys)):
            found = [name.is_certain() for name in names.values()]
            self.account.count(f"acknowledged {what}, looked at in the end", sum(found))
            self.account.count(f"{what} of which nobody knows, or that were deleted", len(found) - sum(found))
