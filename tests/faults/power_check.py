"""Looks a restarted server through: all that was acknowledged is there, and nothing is there by half."""

import json

from power_history import ABSENT, cells_of, expected, torn
from slipway_server import digest_of


class Violation(Exception):
    """What was promised does not hold."""


def check(server, history, place):
    """Everything, as of a place in the record at which the power went; the server runs on what was left."""
    values, under_way = history.at(place)
    allowed = expected(values, under_way)
    with server.connect() as connection:
        look = Look(connection, history)
        found = {cell: getattr(look, cell[0])(*cell[1:]) for cell in allowed}
        for cell, value in found.items():
            if cell[0] == "session":
                check_offset(cell, value, allowed[cell], values.get(cell))
            elif value not in allowed[cell]:
                raise Violation(f"{cell} is {value!r} and may be {allowed[cell]}")
        part = torn(found, values, under_way)
        if part:
            raise Violation(f"a request happened in part: {part}")
        look.check_listings(found)
        for _, path in cells_of("session", found):
            if found["session", path] is not ABSENT:
                look.finish_session(path, found["session", path])


def check_offset(cell, offset, allowed, acknowledged):
    if offset is ABSENT:
        if ABSENT not in allowed:
            raise Violation(f"{cell} is gone, {acknowledged} bytes were acknowledged")
        return
    offsets = [value for value in allowed if value is not ABSENT]
    if not offsets:
        raise Violation(f"{cell} came back at {offset} after it had ended")
    if not (acknowledged or 0) <= offset <= max(offsets):
        raise Violation(f"{cell} is at {offset}; {acknowledged} were acknowledged, {max(offsets)} sent")


class Look:
    """Asks for one cell after the other. Whatever the server has under a digest must have that digest."""

    def __init__(self, connection, history):
        self._connection, self._history, self._bodies = connection, history, {}

    def get(self, target, headers=()):
        answer = self._connection.request("GET", target, headers)
        if answer.status >= 500:
            raise Violation(f"GET {target}: {answer}")
        return answer

    def content(self, target, digest):
        """True if it is there, ABSENT if not."""
        answer = self.get(target)
        if answer.status == 404:
            return ABSENT
        if answer.status != 200 or answer.body != self._history.contents[digest]:
            raise Violation(f"GET {target} gave {answer.status} with other bytes ({len(answer.body)})")
        return True

    def blob(self, repository, digest):
        return self.content(f"/v2/{repository}/blobs/{digest}", digest)

    def manifest(self, repository, digest):
        there = self.content(f"/v2/{repository}/manifests/{digest}", digest)
        if there:
            self.check_children(repository, digest)
        return there

    def check_children(self, repository, digest):
        manifest = json.loads(self._history.contents[digest])
        for kind in ("config", "layers"):
            parts = manifest.get(kind, [])
            for part in parts if isinstance(parts, list) else [parts]:
                if self.blob(repository, part["digest"]) is ABSENT:
                    raise Violation(f"{repository}@{digest} lost its {kind} {part['digest']}")
        for child in manifest.get("manifests", ()):
            if self.content(f"/v2/{repository}/manifests/{child['digest']}", child["digest"]) is ABSENT:
                raise Violation(f"{repository}@{digest} lost its manifest {child['digest']}")

    def tag(self, repository, tag):
        answer = self.get(f"/v2/{repository}/manifests/{tag}")
        if answer.status == 404:
            return ABSENT
        digest = digest_of(answer.body)
        if answer.status != 200 or answer["Docker-Content-Digest"] != digest:
            raise Violation(f"{repository}:{tag}: {answer}")
        return digest

    def entry(self, cache, key):
        answer = self.get(f"/cas/{cache}/{key}")
        return ABSENT if answer.status == 404 else digest_of(answer.body)

    def session(self, path):
        answer = self.get(path)
        if answer.status == 404:
            return ABSENT
        if answer.status != 204:
            raise Violation(f"GET {path}: {answer}")
        first, last = answer["Range"].split("-")
        return 0 if (first, last) == ("0", "0") else int(last) + 1

    def check_listings(self, found):
        """Tags and referrers are listed if, and only if, they can be had."""
        repositories = {cell[1] for kind in ("tag", "manifest") for cell in cells_of(kind, found)}
        for repository in sorted(repositories):
            answer = self.get(f"/v2/{repository}/tags/list")
            listed = set(answer.json()["tags"]) if answer.status == 200 else set()
            there = {cell[2] for cell in cells_of("tag", found) if cell[1] == repository and found[cell] is not ABSENT}
            if listed != there:
                raise Violation(f"{repository} lists the tags {sorted(listed)} and has {sorted(there)}")
        for cell in cells_of("manifest", found):
            subject = self._history.subjects.get(cell[2])
            if subject:
                answer = self.get(f"/v2/{cell[1]}/referrers/{subject}")
                listed = {entry["digest"] for entry in answer.json()["manifests"]}
                if (cell[2] in listed) != (found[cell] is not ABSENT):
                    raise Violation(f"{cell} is {found[cell]}, but the referrers are {listed}")

    def finish_session(self, path, offset):
        """The client goes on where the server says, and sends nothing again."""
        data = self._history.contents[path]
        digest = digest_of(data)
        answer = self._connection.request("PUT", f"{path}?digest={digest}", (), data[offset:])
        if answer.status != 201:
            raise Violation(f"{path} cannot go on at {offset}: {answer}")
        repository = path.split("/blobs/")[0].removeprefix("/v2/")
        if self.blob(repository, digest) is ABSENT:
            raise Violation(f"{path} was finished, but its blob is not there")
