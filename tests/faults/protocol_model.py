"""What the protocol fuzzer believes the registry holds.

Every object belongs to one client: what is in a client's own repository, and elsewhere what was made of that client's
own bytes or has its tags' prefix. Others only read it. So a client's model needs no lock and its expectations are
exact, although all of them work in the same repositories at once. What several clients change (SHARED) has no model: of
it, only the set of allowed answers is known, and that bytes which are read have the digest they were asked for by.
"""

import enum
import json
import typing

from slipway_server import CONFIG, INDEX, LAYER, MANIFEST, digest_of

BLOB_MAX = 256 << 10
MANIFEST_MAX = 16 << 10
ENTRY_MAX = 128 << 10
CACHE_MAX = 1 << 20
UPLOADS_MAX = 24
UPLOAD_EXPIRY = 60  # seconds; the janitor looks once a minute

REPOSITORIES = ["fuzz/a", "fuzz/b", "plain", "deep/er/name_x--y.z"]
CACHES = ["cache-a", "cache-b"]
SHARED_TAGS = ["shared-1", "shared-2", "shared-3"]


class Presence(enum.Enum):
    ABSENT, PRESENT, UNKNOWN = range(3)


class Content:
    """Bytes, and both names they may be kept under."""

    def __init__(self, data):
        self.data = data
        self.digests = [digest_of(data), digest_of(data, "sha512")]


class Manifest(typing.NamedTuple):
    """A manifest as it is sent. `children` have to be in the repository first; `type_in_body`: it says its own type."""
    body: bytes
    media_type: str
    children: tuple
    subject: str = None
    artifact_type: str = None
    type_in_body: bool = True


class Session:
    """An upload session that one client alone uses, and what the server acknowledged of it."""

    def __init__(self, repository, path, plan, now):
        self.repository, self.path, self.plan = repository, path, plan
        self.data = b""
        self.touched = now

    @property
    def id(self):
        return self.path.rsplit("/", 1)[1]

    def rest(self):
        """What is still to come of what it was begun for; nothing where it went another way."""
        return self.plan[len(self.data):] if self.plan.startswith(self.data) else b""

    def may_have_expired(self, now):
        return now - self.touched > UPLOAD_EXPIRY - 20  # it may expire while the next request is on its way


class Blobs:
    """Which blobs are where. A blob has two digests, and a server may keep the same bytes under one of them, both, or
    twice: taking one away may take the other too, and only for what was acknowledged is anything certain."""

    def __init__(self, repositories, twins):
        self.states = {}  # (repository, digest) → Presence
        self.repositories, self.twins = repositories, twins  # a twin is the other digest of the same bytes

    def state(self, repository, digest):
        return self.states.get((repository, digest), Presence.ABSENT)

    def pushed(self, repository, digest):
        self.states[repository, digest] = Presence.PRESENT
        twin = self.twins[digest]
        if self.state(repository, twin) is Presence.ABSENT:
            self.states[repository, twin] = Presence.UNKNOWN
        # Bytes that came again may have become known by both digests, wherever they are.
        for where in self.repositories:
            states = {name: self.state(where, name) for name in (digest, twin)}
            if set(states.values()) != {Presence.ABSENT}:
                self.states |= {(where, name): Presence.UNKNOWN for name, state in states.items()
                                if state is Presence.ABSENT}

    def removed(self, repository, digest):
        self.states[repository, digest] = Presence.ABSENT
        twin = self.twins[digest]
        if self.state(repository, twin) is Presence.PRESENT:
            self.states[repository, twin] = Presence.UNKNOWN

    def seen(self, repository, digest, there):
        """Somebody looked; only called where the answer was allowed."""
        if there:
            self.states[repository, digest] = Presence.PRESENT
        elif self.state(repository, self.twins[digest]) is Presence.ABSENT:
            self.states[repository, digest] = Presence.ABSENT


# --- Manifests

def descriptor(digest, size, media_type):
    return {"mediaType": media_type, "digest": digest, "size": size}


def make_image(config, layers, subject=None, artifact_type=None, type_in_body=True, note=""):
    """An image manifest; `config` and `layers` are (digest, size), `subject` is a descriptor."""
    fields = {"schemaVersion": 2, "config": descriptor(*config, CONFIG),
              "layers": [descriptor(*layer, LAYER) for layer in layers]}
    return finish_manifest(fields, MANIFEST, [config[0], *(layer[0] for layer in layers)], subject, artifact_type,
                           type_in_body, note)


def make_index(children, subject=None, artifact_type=None, type_in_body=True, note=""):
    """An index; `children` are (digest, size, media type)."""
    fields = {"schemaVersion": 2, "manifests": [descriptor(*child) for child in children]}
    return finish_manifest(fields, INDEX, [child[0] for child in children], subject, artifact_type, type_in_body, note)


def finish_manifest(fields, media_type, children, subject, artifact_type, type_in_body, note):
    if type_in_body:
        fields["mediaType"] = media_type
    if subject:
        fields["subject"] = subject
    if artifact_type:
        fields["artifactType"] = artifact_type
    if note:
        fields["annotations"] = {"note": note}
    # A referrer of an image without an artifact type shows its config's.
    shown = artifact_type or (CONFIG if media_type == MANIFEST else None)
    return Manifest(json.dumps(fields).encode(), media_type, tuple(children), subject and subject["digest"], shown,
                    type_in_body)


def spoilt(random, manifest):
    """Bytes that are nearly this manifest and none that a registry may take, with the type to send them as."""
    fields = json.loads(manifest.body)
    body, media_type = manifest.body, manifest.media_type
    kind = random.randrange(11)
    if kind == 0:
        body = body[:random.randrange(len(body))]
    elif kind == 1:
        body = body.replace(b":", b",", 1)
    elif kind == 2:
        body = random.choice([b"", b"null", b"[]", b"1", b'"x"', b"{}", b"\xff\xfe{}", b"[" * 8000, body + b"x"])
    elif kind == 3:
        fields["schemaVersion"] = random.choice([1, 3, "2", None, [], 2.5])
        body = json.dumps(fields).encode()
    elif kind == 4:
        media_type = random.choice(["text/plain", "application/json", "x", LAYER])
    elif kind == 5:
        fields["mediaType"] = MANIFEST if media_type == INDEX else INDEX
        body = json.dumps(fields).encode()
    elif kind == 6:
        fields["manifests" if media_type == MANIFEST else "layers"] = []
        body = json.dumps(fields).encode()
    elif kind == 7:
        fields["subject"] = random.choice(["x", 1, [], {}, {"digest": "sha256:0"}, {"digest": 5, "size": 1}])
        body = json.dumps(fields).encode()
    elif kind == 8:
        fields["layers" if media_type == MANIFEST else "manifests"] = random.choice(
            [1, "x", {}, [1], [[]], [None], [{"digest": "sha256:" + "g" * 64, "size": 1}],
             [{"digest": digest_of(b""), "size": random.choice([-1, "1", 1.5, None, 10**30])}]])
        body = json.dumps(fields).encode()
    elif kind == 9:
        fields.pop("config", None)
        fields.pop("schemaVersion")
        body = json.dumps(fields).encode()
    else:
        fields["annotations"] = deep = {}
        for _ in range(80):
            deep["x"] = deep = {}
        body = json.dumps(fields).encode()
    return body, media_type
