"""A server whose files go wrong, and what it must hold.

What is there is known by what a GET answers: the bytes, or that there is none. A request says beforehand what it will
change; its answer makes that certain. A request that met a fault and was refused may have done all of that or nothing,
and the next look tells which.
"""

import os
import random
import re
import tempfile
from pathlib import Path

from file_faults import KILL, Faults
from slipway_server import MANIFEST, PATIENCE, Connection, Server, digest_of, head

CONFIG = '[log]\nlevel = "info"\nrequests = false\n[limits]\nmanifest_bytes = "16MiB"\n'
AT_ONCE = 40  # questions on their way; their heads fit a socket
FILES_IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # nothing here is about flushing


class Wrong(AssertionError):
    """A promise that does not hold."""


class Refused(Exception):
    """A request was refused, or its connection ended, after a call on a file went wrong."""

    def __init__(self, answer):
        super().__init__(str(answer))
        self.answer = answer  # None: the server is gone, or gave an answer up in its middle


def new_folder(prefix):
    return Path(tempfile.mkdtemp(prefix=prefix, dir=FILES_IN_MEMORY))


def blob_path(repository, data):
    return f"/v2/{repository}/blobs/{digest_of(data)}"


def manifest_path(repository, reference):
    return f"/v2/{repository}/manifests/{reference}"


class DoorServer(Server):
    """Known to serve by its log: on a full disk it may not be able to write down where it listens."""

    SOCKET = "socket"

    def __init__(self, folder, config="", **options):
        self.door = Path(folder) / self.SOCKET
        super().__init__(folder, config, listen=[f"unix:{self.door}"], **options)

    def _announced(self):
        if self.process.poll() is not None:
            raise Ended(self.process.returncode, self.read_log())
        return {"listen": [f"unix:{self.door}"]} if "  serving " in (self.folder / "log").read_text() else None


class Ended(Exception):
    """The server ended while it started."""

    def __init__(self, status, said):
        super().__init__(f"the server ended with {status}:\n{said}")
        self.status, self.said = status, said


class World:
    def __init__(self, folder, seed):
        self.folder, self.random = Path(folder), random.Random(seed)
        self.faults = Faults(folder, self.folder / "data")
        self.server = DoorServer(folder, CONFIG, env=self.faults.environment())
        self.holds = {}  # what a GET of each path must give: bytes, or None for a 404
        self.positions = {}  # of sessions that stay open
        self.recent = {}  # of `holds`: what the present trial changed
        self.unsettled = []  # effects of refused requests
        self.made = 0
        self.kind = None  # while armed
        self.refused_at = 0  # in the log

    # ---- requests

    def content(self, size=600):
        self.made += 1
        return f"content {self.made} ".encode() + self.random.randbytes(size)

    def ask(self, method, target, effects=None, body=b"", headers=(), status=(201,)):
        """One request on a connection of its own; raises Refused where a fault may be refused so."""
        effects = effects or {}
        try:
            with Connection(self.server) as connection:
                answer = connection.request(method, target, headers, body)
        except TimeoutError:
            raise Wrong(f"{method} {target}: no answer within {PATIENCE} s") from None
        except ConnectionError as error:
            self.unsettled.append(effects)
            self.check_alive(method, f"{method} {target}: {error}")
            raise Refused(None) from None
        if answer.status in status:
            self.remember(effects)
            return answer
        self.unsettled.append(effects)
        if not self.kind:
            raise Wrong(f"{method} {target}: {answer}")
        self.check_refusal(method, target, answer)
        raise Refused(answer)

    def remember(self, effects):
        self.holds |= effects
        self.recent |= effects

    def check_alive(self, method, what):
        """A connection may end because the process was told to; nothing else ends the process. Where the bytes of an
        answer cannot be read to their end, it can only be broken off."""
        if self.kind and self.kind.action == KILL:
            self.server.process.wait(PATIENCE)
            return
        if self.server.process.poll() is not None:
            raise Wrong(f"{what}; the server ended with {self.server.process.returncode}:\n{self.server.read_log()}")
        if not self.kind or method != "GET":
            raise Wrong(what)

    def check_refusal(self, method, target, answer):
        """An answer of the protocol, one that fits what went wrong, and the log tells more."""
        what = f"{method} {target}: {answer}"
        allowed = self.kind.statuses
        # SQLite takes an interrupted flush for a failed one, which on Linux no local file system makes.
        if self.kind.name == "EINTR" and re.search(r"sync catalog", self.faults.peek().what):
            allowed = (500,)
        if answer.status not in allowed:
            raise Wrong(f"refused in a way that does not fit: {what}")
        if target.startswith("/v2/"):
            answer.code()
        if answer.status == 507 and not answer["Retry-After"]:
            raise Wrong(f"nobody is told to come back: {what}")
        if not self.server.log_lines(" error ", f"id={answer['X-Request-Id']}", "error="):
            raise Wrong(f"the log does not say why: {what}")

    # ---- looking

    def get_all(self, targets):
        answers = {}
        with Connection(self.server) as connection:
            for first in range(0, len(targets), AT_ONCE):
                some = targets[first:first + AT_ONCE]
                connection.send(b"".join(head("GET", target) for target in some))
                answers |= {target: connection.response() for target in some}
        return answers

    def settle(self):
        """Finds out what became of refused requests: each was done wholly or not at all."""
        unsettled, self.unsettled = self.unsettled, []
        for effects in unsettled:
            changed = {path: value for path, value in effects.items() if self.holds.get(path) != value}
            found = {path: body_of(path, answer) for path, answer in self.get_all(list(changed)).items()}
            done = [found[path] == value for path, value in changed.items()]
            kept = [found[path] == self.holds.get(path) for path in changed]
            if not all(done) and not all(kept):
                raise Wrong(f"half of a request is visible: {[(path, is_done) for path, is_done in zip(changed, done)]}")
            if all(done):
                self.remember(effects)

    def look(self, everything=False):
        """All that the trial changed, and some of what was there before; or all there is."""
        older = [path for path in self.holds if path not in self.recent]
        paths = list(self.holds) if everything else [*self.recent, *self.random.sample(older, min(len(older), 12))]
        for path, answer in self.get_all(paths).items():
            if body_of(path, answer) != self.holds[path]:
                raise Wrong(f"GET {path} should give {(self.holds[path] or b'a 404')[:60]}…: {answer}")
        for path, answer in self.get_all(list(self.positions)).items():
            if answer.status != 204 or answer["Range"] != f"0-{self.positions[path] - 1}":
                raise Wrong(f"an open upload moved from {self.positions[path]}: {answer}")

    def check_doctor(self):
        report = self.server.slipway("doctor", "--deep", "--json")
        if report.returncode != 0:
            raise Wrong(f"the doctor says: {report.stdout}{report.stderr}")

    # ---- faults

    def arm(self, kind, first):
        self.kind = kind
        self.faults.arm(kind, first)

    def disarm(self):
        self.kind = None
        return self.faults.disarm()

    def restart(self):
        self.server.kill()
        self.server.log = ""  # it would be read again and again
        self.server.start()

    # ---- what stands all the time

    def settle_down(self):
        """Content that no trial touches, and an open upload."""
        self.push_image("standing", "one")
        self.ask("PUT", "/cas/kept/key", {"/cas/kept/key": (data := self.content(5000))}, data)
        path = self.server.begin_upload("standing")
        self.ask("PATCH", path, body=self.content(3000)[:3000], status=(202,))
        self.positions[path] = 3000
        self.recent = {}

    def push_image(self, repository, tag):
        """Returns its blobs and its manifest."""
        config, layer = self.content(40), self.content(70_000)
        for data in config, layer:
            self.push_blob(repository, data)
        return [config, layer], self.put_manifest(repository, tag, image(config, layer))

    def push_blob(self, repository, data):
        target = f"/v2/{repository}/blobs/uploads/?digest={digest_of(data)}"
        self.ask("POST", target, {blob_path(repository, data): data}, data)

    def put_manifest(self, repository, tag, manifest):
        effects = {manifest_path(repository, tag): manifest, manifest_path(repository, digest_of(manifest)): manifest}
        self.ask("PUT", manifest_path(repository, tag), effects, manifest, [("Content-Type", MANIFEST)])
        return manifest


def body_of(path, answer):
    """What a GET gave: bytes, or None where there is nothing."""
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Wrong(f"GET {path}: {answer}")
    return answer.body


def image(config, layer, note=""):
    described = [f'{{"mediaType":"application/octet-stream","digest":"{digest_of(data)}","size":{len(data)}}}'
                 for data in (config, layer)]
    return (f'{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{described[0]},"layers":[{described[1]}],'
            f'"annotations":{{"note":"{note}"}}}}').encode()
